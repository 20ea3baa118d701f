// The front page: counts, filmstrips, the leaderboards, drift and cost.
function frontPage(page, params) {
  const data = site();
  const state = { board: params.get("board") ?? data.boards[0]?.suite ?? "", d: params.get("d") ?? "", b: params.get("b") ?? "", q: params.get("q") ?? "", mode: params.get("mode") ?? "values", sort: params.get("sort") ?? "", order: params.get("order") ?? "", row: params.getAll("row") };
  const bar = h("div", { class: "compare-bar", role: "region", "aria-label": "Rows to compare", hidden: true });
  const changed = () => {
    const { board, mode, ...rest } = state;
    remember("", { ...rest, board: board === data.boards[0]?.suite ? "" : board, mode: mode === "values" ? "" : mode });
    showBar();
  };
  function showBar() {
    bar.hidden = !state.row.length;
    const clear = () => {
      state.row = [];
      changed();
      showBoard();
    };
    refill(bar, h("span", {}, state.row.map((name) => rowTitle(name)).join(" · ")),
      state.row.length > 1 ? h("a", { class: "button", href: href("compare", { row: state.row }) }, `Compare ${state.row.length} rows`) : h("span", { class: "fine" }, "Select one more row to compare."),
      h("button", { type: "button", class: "quiet", click: clear }, "Clear"));
  }
  const place = h("div", {});
  function showBoard() {
    if (state.board === "quoted") {
      refill(place, quotedTables(data.quoted, data.spreads));
      return;
    }
    const found = data.boards.find(({ suite }) => suite === state.board) ?? data.boards[0];
    const board = new Board(found, state, changed);
    refill(place, h("div", { class: "board-head" }, kindBadge(found.kind), h("p", { class: "fine" }, `${found.note} Suite ${found.suite}, version ${found.version}.`)), board.node);
    board.update();
  }
  const found = h("div", {});
  add(page, hero(data));
  if (!data.boards.length && !data.quoted.length) {
    add(page, h("section", {}, h("h2", {}, "Leaderboard"), h("p", { class: "note" }, data.counts.done ? "No video has been evaluated yet." : "There is no video to compare yet. ", data.counts.failed ? h("a", { href: href("sources") }, "What failed, and why") : null)));
    return null;
  }
  const tabs = [...data.boards.map(({ suite, kind }) => [suite, kind === "own metric" ? suite : `${kind}`]), ...(data.quoted.length ? [["quoted", "Reported elsewhere"]] : [])];
  add(page, h("section", { id: "leaderboard", "aria-labelledby": "leaderboard-title" },
    h("div", { class: "section-head" }, h("h2", { id: "leaderboard-title" }, "Leaderboard"),
      tabs.length > 1 && segmented("Numbers", tabs, state.board, (value) => {
        Object.assign(state, { board: value, sort: "", order: "" });
        changed();
        showBoard();
        showLower();
      })), place), bar);
  const strips = showcase(data);
  const lower = h("div", {});
  function showLower() {
    const board = data.boards.find(({ suite }) => suite === state.board);
    refill(lower, ...(board ? [driftSection(board), tripleSection(board), costSection(board), ordersSection(board.suite)] : [ordersSection("quoted")]));
    refill(found, findings(data, board));
  }
  add(page, found, strips, lower);
  showBoard();
  showBar();
  showLower();
  return null;
}

const kindBadge = (kind) => h("span", { class: `kind ${kind.replace(/\W+/g, "-").toLowerCase()}` }, kind);

function hero(data) {
  const { done, running, failed, missing } = data.counts;
  const all = done + running + failed + missing;
  const tiles = [[plural(done, "video"), all > done ? `of ${all.toLocaleString("en")}` : "all finished"], [duration(data.length_s), "of video"], [plural(data.backbones.length, "backbone"), `${plural(data.methods.length, "method")}`], [plural(data.num_prompts, "prompt"), "same noise for every method"]];
  return h("section", { class: "hero" },
    h("h1", { tabindex: "-1" }, data.name),
    headline(data.headline),
    h("ul", { class: "tiles" }, tiles.map(([big, small]) => h("li", {}, h("strong", {}, big), h("span", {}, small)))),
    all > done ? progressBar(data.counts) : null,
    warningsLine(data));
}

function progressBar(counts) {
  const all = Object.values(counts).reduce((a, b) => a + b, 0) || 1;
  const parts = ["done", "running", "failed", "missing"].filter((name) => counts[name]);
  return h("div", { class: "progress" },
    h("div", { class: "progress-track", "aria-hidden": "true" }, parts.map((name) => setStyle(h("i", { class: name }), "width", `${(counts[name] / all) * 100}%`))),
    h("p", { class: "fine" }, parts.map((name, i) => [i ? " · " : "", h("span", { class: `dot ${name}`, "aria-hidden": "true" }), name === "failed" || name === "missing" ? h("a", { href: href("sources") }, `${counts[name]} ${name}`) : `${counts[name]} ${name}`])));
}

function warningsLine(data) {
  const parts = [];
  if (data.warnings.length) parts.push(plural(data.warnings.length, "warning"));
  if (data.num_conflicts) parts.push(plural(data.num_conflicts, "conflict"));
  return parts.length ? h("p", { class: "note" }, h("a", { href: href("sources") }, `${parts.join(" and ")} about the files`), ": what is left out, and why.") : null;
}

const MAX_STRIPS = 8;

// One prompt with a filmstrip per row on a common time axis.
function showcase(data) {
  if (!data.showcase) return null;
  const heading = h("p", { class: "prompt" });
  const strips = h("div", { class: "strips" });
  const state = { step: 0, backbone: data.showcase.backbone };
  const draw = ({ prompt, prompt_id, seed, length_s: length, strips: shown }) => {
    const rows = shown.slice(0, MAX_COMPARED).map(({ method }) => rowName({ backbone: state.backbone, method }));
    refill(heading, h("q", {}, prompt), h("span", { class: "fine" }, ` ${prompt_id}, seed ${seed}`));
    refill(strips, ...shown.map(({ unit_id, method, address }) => h("div", { class: "strip-row" },
      h("a", { href: href("video", { id: unit_id }), class: "strip-name" }, swatch(method), h("span", { class: "clamp" }, method)),
      strip(address, `${method}: ${prompt}`, (share) => (location.hash = href("compare", { row: rows, prompt: prompt_id, seed, t: (share * length).toFixed(1) }))))),
      h("div", { class: "strip-row times", "aria-hidden": "true" }, h("span", {}), h("div", {}, [0, 0.25, 0.5, 0.75, 1].map((share) => h("span", {}, `${Number((share * length).toFixed(1))} s`)))));
  };
  async function another(by, backbone = state.backbone) {
    // The first piece of each row that is shown has more prompts than anybody steps through.
    const rows = site().rows.filter((row) => row.backbone === backbone).slice(0, MAX_STRIPS).map(rowName);
    const firsts = new Map(site().pieces.filter((piece) => rows.includes(rowName(piece))).reverse().map((piece) => [rowName(piece), piece.name]));
    const videos = (await loadVideos((piece) => firsts.get(rowName(piece)) === piece.name)).filter((video) => video.status === "done" && video.strip);
    const prompts = [...new Set(videos.map(({ prompt_id }) => prompt_id))];
    if (!prompts.length) return;
    Object.assign(state, { backbone, step: (state.step + by + prompts.length) % prompts.length });
    const ofPrompt = videos.filter(({ prompt_id }) => prompt_id === prompts[state.step]);
    const { prompt_id, text, seed } = ofPrompt[0];
    const shown = ofPrompt.filter((video) => video.seed === seed).slice(0, MAX_STRIPS);
    draw({ prompt: text, prompt_id, seed, length_s: Math.max(...shown.map(({ length_s }) => length_s)), strips: shown.map(({ unit_id, method, strip: address }) => ({ unit_id, method, address })) });
  }
  draw(data.showcase);
  return h("section", { class: "showcase", "aria-labelledby": "showcase-title" },
    h("div", { class: "section-head" }, h("h2", { id: "showcase-title" }, "Same prompt and noise, every method"),
      h("div", { class: "stepper" },
        data.backbones.length > 1 && segmented("Backbone shown", data.backbones.slice(0, 4).map((name) => [name, name]), state.backbone, (value) => another(0, value)),
        h("button", { type: "button", class: "quiet", "aria-label": "Previous prompt", click: () => another(-1) }, "←"),
        h("button", { type: "button", class: "quiet", "aria-label": "Next prompt", click: () => another(1) }, "→"))),
    heading, strips);
}

function driftSection(board) {
  const panels = h("div", { class: "panels" });
  const ends = h("div", {});
  const segments = h("div", {});
  const state = { metric: board.metrics[0].name };
  const draw = async () => {
    const drift = await load("drift");
    const curves = drift[board.metrics.find(({ name }) => name === state.metric).suite]?.[state.metric] ?? [];
    const metric = board.metrics.find(({ name }) => name === state.metric);
    const panelOf = (curve) => `${curve.backbone}\n${curve.prompt_set}`;
    const groups = new Map(curves.map((curve) => [panelOf(curve), curve]));
    const several = new Set(curves.map(({ backbone }) => backbone)).size < groups.size;
    const length = Math.max(...curves.flatMap((curve) => curve.second), 1) + 1;
    refill(panels, ...[...groups].map(([key, { backbone, prompt_set }]) => {
      const holder = h("div", { class: "chart" });
      const lines = curves.filter((curve) => panelOf(curve) === key).map((curve) => ({ label: curve.method, colour: methodOf(curve.method).colour, dash: DASHES[methodOf(curve.method).line], points: curve.second.map((at, i) => ({ at, value: curve.mean[i], error: curve.stderr[i] })) }));
      nextFrame(() => drawChart(holder, { lines, length, title: metric.title }));
      return h("figure", {}, h("figcaption", {}, several ? `${backbone}, ${prompt_set}` : backbone), holder);
    }));
    if (!groups.size) refill(panels, h("p", { class: "fine" }, "This metric has no curve."));
    fillEnds(ends, metric);
    fillSegments(segments, metric);
  };
  const section = h("section", { "aria-labelledby": "drift-title" }, h("div", { class: "section-head" }, h("h2", { id: "drift-title" }, "Drift over time"), select("Metric", board.metrics.map(({ name, title }) => [name, title]), state.metric, (value) => {
    state.metric = value;
    draw();
  })), legend(site().methods.map(({ name }) => name)), panels, h("p", { class: "fine" }, "Mean of each 2 s clip over the compared videos; the band is the standard error, clustered by prompt. A line ends where some of its videos have no value."), ends, segments);
  whenNear(section, draw);
  return section;
}

function legend(methods) {
  return h("ul", { class: "legend" }, methods.map((name) => h("li", {}, swatch(name), name)));
}

function costSection(board) {
  const panels = h("div", { class: "panels" });
  const longest = board.durations_s.at(-1);
  const fill = () => costPanels(panels, board, longest, null);
  const section = h("section", { "aria-labelledby": "cost-title" }, h("h2", { id: "cost-title" }, `Cost against quality, ${seconds(longest)}`), panels, h("p", { class: "fine" }, `Up and to the right is better. Bars: average rank in 95 % of resampled sets of prompts, from ${site().min_prompts} prompts on.`));
  whenNear(section, fill);
  return section;
}

function costPanels(panels, board, length, highlighted) {
  const groups = board.groups.map((group, index) => ({ group, index })).filter(({ group }) => group.duration_s === length && group.num_prompts);
  refill(panels, ...groups.map(({ group, index }) => {
    if (!speedsCompare(group)) return h("figure", {}, h("figcaption", {}, group.backbone), h("p", { class: "fine" }, `Not drawn: speeds of several machines or settings do not compare (${group.settings.join("; ")}).`));
    const holder = h("div", { class: "chart" });
    const rows = board.rows.filter((row) => row.group === index && row.average_rank !== null && row.frames_per_s !== null);
    const points = rows.map((row) => ({ x: row.frames_per_s, y: row.average_rank, low: row.rank_low, high: row.rank_high, label: row.method, colour: methodOf(row.method).colour, faded: highlighted !== null && row.method !== highlighted }));
    nextFrame(() => drawScatter(holder, { points, title: "Average rank", xTitle: "frames per second", flip: true }));
    return h("figure", {}, h("figcaption", {}, group.backbone, h("span", { class: "fine" }, " average rank, 1 is best")), holder);
  }));
}
