// One video: everything known of it, and the files it is from.
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
  const conflict = site().conflicts.find(({ unit_id }) => unit_id === unit.unit_id);
  const cursors = [];
  const stage = new Stage((time) => cursors.forEach((move) => move(time)));
  const first = site().boards[0];
  refill(page.querySelector("h1"), swatch(unit.method), ` ${unit.method} `, h("span", { class: "fine" }, `on ${unit.backbone}`));
  add(page,
    h("p", { class: "prompt long" }, unit.prompt),
    h("p", { class: "fine" }, `Prompt ${unit.prompt_id}, seed ${unit.seed}. `, h("a", { href: href("compare", { row: compareRows(unit), prompt: unit.prompt_id, seed: unit.seed }) }, "Compare with other methods on this prompt")),
    badges(facts),
    unit.frozen_s.length ? h("p", { class: "note" }, `This video is frozen (at ${unit.frozen_s.map(seconds).join(", ")}): at least half of its clips show no motion. Means and ranks leave it out.`) : null,
    conflict && h("p", { class: "note" }, `The stores have different bytes for this video: ${conflictWords(conflict)}`),
    h("div", { class: "video-page" }, stage.node, h("div", {}, scoreTable(unit), curveGrid(unit, stage, cursors), driftTable(unit))),
    h("div", { class: "columns" },
      h("section", {}, h("h2", {}, "Time"), timings(unit), h("h2", {}, "Memory"), factsList(Object.entries(unit.memory_mib).map(([name, value]) => [name.replaceAll("_", " "), value === null ? "not measured" : `${value.toFixed(0)} MiB`]))),
      h("section", {}, h("h2", {}, "Files"), factsList([["sha256", unit.sha256], ["unit", unit.unit_id], ["made on", unit.device ?? "unknown"], ...unit.files.map(({ name, address }) => [name, h("a", { href: address }, decodeURIComponent(address))])])),
      h("section", { class: "wide" }, h("h2", {}, "Commands"), commandsFor(unit.source, unit.backbone, unit.method).map(({ text, time }) => h("div", {}, commandBlock(text), h("p", { class: "fine" }, time))),
        h("details", {}, h("summary", {}, "The whole record"), h("pre", { class: "manifest", tabindex: "0", "aria-label": "Record" }, h("code", {}, unit.record))))));
  await stage.show([{ name: rowName(unit), line: { unit_id: unit.unit_id, status: "done" } }], first && first.metrics[0], Number(params.get("t")) || 0);
  return () => stage.stop();
}

// This row first, then others of its backbone.
function compareRows(unit) {
  const others = site().rows.filter((row) => row.backbone === unit.backbone && row.method !== unit.method).map(rowName);
  return [rowName(unit), ...others].slice(0, MAX_COMPARED);
}

const factsList = (facts) => h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

function scoreTable(unit) {
  return site().boards.filter(({ suite }) => unit.scores[suite]).map((board) => h("section", { class: "flush" },
    h("h2", {}, "Scores ", kindBadge(board.kind)),
    tableBox(`Scores of suite ${board.suite}`, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Metric"), board.durations_s.map((d) => h("th", { scope: "col", class: "number" }, seconds(d))))),
      h("tbody", {}, board.metrics.map((metric) => h("tr", {}, h("th", { scope: "row" }, h("span", { tabindex: "0", "data-tip": metricWords(metric) }, metricTitle(metric))),
        board.durations_s.map((d) => {
          const value = unit.scores[metric.suite]?.[metric.name]?.[String(d)];
          return h("td", { class: "number" }, typeof value === "number" ? number(value, metric.decimals) : h("span", { tabindex: "0", "data-tip": `No value: ${value ?? "not measured at this length"}.` }, DASH));
        }))))))));
}

// The change of each metric over the longest duration.
function driftTable(unit) {
  return site().boards.filter(({ suite }) => unit.drift[suite]).map((board) => {
    const longest = String(board.durations_s.at(-1));
    const lines = board.metrics.map((metric) => ({ metric, drift: unit.drift[metric.suite]?.[metric.name]?.[longest] })).filter(({ drift }) => drift);
    return lines.length ? h("details", { open: true }, h("summary", {}, `Drift over ${seconds(longest)}, ${board.kind}`), tableBox(`Drift, suite ${board.suite}`, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Metric", "Slope per min", "Early half", "Late half", "Similarity to the first clip, late half"].map((text, i) => h("th", { scope: "col", class: i ? "number" : null }, text)))),
      h("tbody", {}, lines.map(({ metric, drift }) => h("tr", {}, h("th", { scope: "row" }, metric.title),
        [signed(drift.slope_per_min, metric.decimals), number(drift.early_half, metric.decimals), number(drift.late_half, metric.decimals), number(drift.late_similarity, 3)].map((text) => h("td", { class: "number" }, text)))))))) : null;
  });
}

// A small chart per metric; a click seeks, and `cursors` follow the time.
function curveGrid(unit, stage, cursors) {
  const charts = site().boards.flatMap((board) => board.metrics.filter(({ name, suite }) => unit.curves[suite]?.values[name]).map((metric) => {
    const holder = h("div", { class: "chart small" });
    whenNear(holder, () => cursors.push(drawChart(holder, { lines: [{ label: unit.method, colour: methodOf(unit.method).colour, dash: "", points: clipPoints(unit.curves[metric.suite], metric.name) }], length: unit.length_s, title: metric.title, height: 120, seek: (time) => stage.player.seek(time) })));
    return h("figure", {}, h("figcaption", {}, metricTitle(metric)), holder);
  }));
  return charts.length ? h("section", { class: "flush" }, h("h2", {}, "Over time"), h("div", { class: "panels tight" }, charts)) : null;
}

// Seconds of these contain those of others, or are of single blocks.
const TOTALS = ["end_to_end", "first_block", "steady_block"];

function timings(unit) {
  const stages = Object.entries(unit.timings_s);
  if (!stages.length) return h("p", { class: "fine" }, "Not recorded.");
  const parts = stages.filter(([name]) => !TOTALS.includes(name)).sort((a, b) => b[1] - a[1]);
  const total = unit.timings_s.end_to_end ?? parts.reduce((sum, [, value]) => sum + value, 0);
  const title = (name) => name.replaceAll("_", " ");
  return h("div", {},
    h("ul", { class: "bars" }, parts.map(([name, value]) => h("li", {}, h("span", {}, title(name)), h("span", { class: "bar-track", "aria-hidden": "true" }, setStyle(h("i", {}), "width", `${Math.min(100, (value / total) * 100)}%`)), h("span", { class: "number" }, `${significant(value, 3)} s`)))),
    h("p", { class: "fine" }, "Stages may run in parallel, so they need not add up to the total."),
    factsList(stages.filter(([name]) => TOTALS.includes(name)).map(([name, value]) => [title(name), `${significant(value, 4)} s`])));
}
