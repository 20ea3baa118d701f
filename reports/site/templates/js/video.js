// One video: everything that is known of it, and where it is written.
async function videoPage(page, params) {
  const id = params.get("id") ?? "";
  add(page, h("h1", { tabindex: "-1" }, "Video"));
  let unit;
  try {
    if (site().failures.some(({ unit_id }) => unit_id === id)) throw new Error("not finished");
    unit = await load(`unit/${id.replace(/[^\w.-]/g, "")}`);
  } catch {
    const failure = site().failures.find(({ unit_id }) => unit_id === id);
    add(page, h("p", { class: "note" }, failure ? `No video (${failure.status}): ${failure.reason}` : `This report has no finished video ${JSON.stringify(id)}.`), h("p", {}, h("a", { href: href("videos") }, "All videos")));
    return null;
  }
  const facts = factsOf(unit.backbone, unit.method);
  const conflict = site().conflicts.find((one) => one.unit === unit.id);
  const cursors = [];
  const stage = new Stage((time) => cursors.forEach((move) => move(time)));
  const first = site().boards[0];
  const line = [unit.id, null, null, null, unit.seed, "done"];
  refill(page.querySelector("h1"), swatch(unit.method), ` ${unit.method} `, h("span", { class: "fine" }, `on ${unit.backbone}`));
  add(page, 
    h("p", { class: "prompt long" }, unit.prompt),
    h("p", { class: "fine" }, `Prompt ${unit.prompt_id}, seed ${unit.seed}. `, h("a", { href: href("compare", { row: compareRows(unit), prompt: unit.prompt_id, seed: unit.seed }) }, "Compare with other methods on this prompt")),
    badges(facts),
    unit.frozen.length ? h("p", { class: "note" }, `This video stands still (at ${unit.frozen.map(seconds).join(", ")}): at least half of its clips show no motion, so its consistency says little.`) : null,
    conflict && h("p", { class: "note" }, `Other bytes elsewhere: ${conflict.versions.map(([store, sha, device]) => `${store} has ${sha.slice(0, 12)} made on ${device}`).join("; ")}. The first is shown.`),
    h("div", { class: "video-page" }, stage.node, h("div", {}, scoreTable(unit), curveGrid(unit, stage, cursors), driftTable(unit))),
    h("div", { class: "columns" },
      h("section", {}, h("h2", {}, "Time"), timings(unit), h("h2", {}, "Memory"), facts_list(unit.memory.map(([name, value]) => [name.replaceAll("_", " "), value === null ? "not measured" : `${value.toFixed(0)} MiB`]))),
      h("section", {}, h("h2", {}, "Files"), facts_list([["sha256", unit.sha256], ["unit", unit.id], ["made on", unit.device ?? "unknown"], ...unit.files.map(([name, address]) => [name, h("a", { href: address }, decodeURIComponent(address))])])),
      h("section", { class: "wide" }, h("h2", {}, "Made by"), commandsFor(unit.source, unit.backbone, unit.method).map(({ text, time }) => h("div", {}, commandBlock(text), h("p", { class: "fine" }, time))),
        h("details", {}, h("summary", {}, "The whole record"), h("pre", { class: "manifest", tabindex: "0", "aria-label": "Record" }, h("code", {}, unit.manifest))))));
  await stage.show([{ name: `${unit.backbone}|${unit.method}`, line }], first && { ...first.metrics[0], key: `${first.suite}/${first.metrics[0].name}` }, Number(params.get("t")) || 0);
  return () => stage.stop();
}

// This row first, then others of its backbone.
function compareRows(unit) {
  const own = `${unit.backbone}|${unit.method}`;
  const others = site().rows.filter((row) => row.backbone === unit.backbone && row.method !== unit.method).map((row) => `${row.backbone}|${row.method}`);
  return [own, ...others].slice(0, MAX_COMPARED);
}

const facts_list = (facts) => h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

function scoreTable(unit) {
  return site().boards.filter(({ suite }) => unit.scores[suite]).map((board) => h("section", { class: "flush" },
    h("h2", {}, "Scores ", kindBadge(board.kind)),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Scores of suite ${board.suite}` }, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Metric"), board.durations.map((d) => h("th", { scope: "col", class: "number" }, seconds(d))))),
      h("tbody", {}, board.metrics.map((info) => h("tr", {}, h("th", { scope: "row" }, h("span", { tabindex: "0", "data-tip": metricHead(info) }, `${info.title} ${info.up ? "↑" : "↓"}`)),
        board.durations.map((d) => {
          const value = unit.scores[board.suite][info.name]?.[String(d)];
          return h("td", { class: "number" }, typeof value === "number" ? number(value, info.decimals) : h("span", { tabindex: "0", "data-tip": `No value: ${value ?? "not measured at this length"}.` }, DASH));
        }))))))));
}

// How the curves run over the longest duration: the numbers that a mean hides.
function driftTable(unit) {
  return site().boards.filter(({ suite }) => unit.drift[suite]).map((board) => {
    const longest = String(Math.max(...board.durations));
    const lines = board.metrics.map((info) => [info, unit.drift[board.suite][info.name]?.[longest]]).filter(([, drift]) => drift);
    return lines.length ? h("details", { open: true }, h("summary", {}, `Drift over ${longest} s, ${board.kind}`), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Drift, suite ${board.suite}` }, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Metric", "Slope per min", "Early half", "Late half", "Like the first clip, late half"].map((text, i) => h("th", { scope: "col", class: i ? "number" : null }, text)))),
      h("tbody", {}, lines.map(([info, drift]) => h("tr", {}, h("th", { scope: "row" }, info.title),
        [signed(drift.slope_per_min, info.decimals), number(drift.early_half, info.decimals), number(drift.late_half, info.decimals), drift.late_similarity === null ? DASH : number(drift.late_similarity, 3)].map((text) => h("td", { class: "number" }, text)))))))) : null;
  });
}

// A small chart per metric; a click goes to that time, which `cursors` follow.
function curveGrid(unit, stage, cursors) {
  const charts = site().boards.flatMap((board) => board.metrics.filter(({ name }) => unit.curves[`${board.suite}/${name}`]).map((info) => {
    const holder = h("div", { class: "chart small" });
    whenNear(holder, () => cursors.push(drawChart(holder, { lines: [{ label: unit.method, colour: methodOf(unit.method).colour, dash: "", points: clipPoints(unit.curves[`${board.suite}/${info.name}`]) }], length: unit.seconds, title: info.title, height: 120, seek: (time) => stage.player.seek(time) })));
    return h("figure", {}, h("figcaption", {}, `${info.title} ${info.up ? "↑" : "↓"}`), holder);
  }));
  return charts.length ? h("section", { class: "flush" }, h("h2", {}, "Over time"), h("div", { class: "panels tight" }, charts)) : null;
}

function timings(unit) {
  const parts = unit.timings.filter(([name]) => !["end_to_end", "first_block", "steady_block"].includes(name)).sort((a, b) => b[1] - a[1]);
  const total = Object.fromEntries(unit.timings).end_to_end ?? parts.reduce((sum, [, value]) => sum + value, 0);
  const others = unit.timings.filter(([name]) => ["end_to_end", "first_block", "steady_block"].includes(name));
  if (!unit.timings.length) return h("p", { class: "fine" }, "Not recorded.");
  return h("div", {},
    h("ul", { class: "bars" }, parts.map(([name, value]) => h("li", {}, h("span", {}, name.replaceAll("_", " ")), h("span", { class: "bar-track", "aria-hidden": "true" }, setStyle(h("i", {}), "width", `${Math.min(100, (value / total) * 100)}%`)), h("span", { class: "number" }, `${significant(value, 3)} s`)))),
    h("p", { class: "fine" }, "Parts may run beside each other, so they need not add up."),
    facts_list(others.map(([name, value]) => [name.replaceAll("_", " "), `${significant(value, 4)} s`])));
}
