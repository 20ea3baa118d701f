// The front page: what was run, the videos at a glance, the tables, drift, cost.
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
      state.row.length > 1 ? h("a", { class: "button", href: href("compare", { row: state.row }) }, `Compare ${state.row.length} rows`) : h("span", { class: "fine" }, "Choose one more to compare."),
      h("button", { type: "button", class: "quiet", click: clear }, "Clear"));
  }
  const place = h("div", {});
  function showBoard() {
    if (state.board === "quoted") {
      refill(place, quotedTables(data.quoted));
      return;
    }
    const found = data.boards.find(({ suite }) => suite === state.board) ?? data.boards[0];
    const board = new Board(found, state, changed);
    refill(place, h("div", { class: "board-head" }, kindBadge(found.kind), h("p", { class: "fine" }, `${found.note} Suite ${found.suite}, version ${found.version}.`)), board.node);
    board.update();
  }
  add(page, ...[hero(data), showcase(data)].filter(Boolean));
  if (!data.boards.length && !data.quoted.length) {
    add(page, h("section", {}, h("h2", {}, "Leaderboard"), h("p", { class: "note" }, "No video has been evaluated yet.")));
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
  const lower = h("div", {});
  function showLower() {
    const board = data.boards.find(({ suite }) => suite === state.board);
    refill(lower, ...(board ? [driftSection(board), costSection(board)] : []));
  }
  add(page, lower);
  showBoard();
  showBar();
  showLower();
  return null;
}

const kindBadge = (kind) => h("span", { class: `kind ${kind.replace(/\W+/g, "-").toLowerCase()}` }, kind);

function hero(data) {
  const { done, running, failed, missing } = data.counts;
  const all = done + running + failed + missing;
  const tiles = [[plural(done, "video"), all > done ? `of ${all.toLocaleString("en")}` : "all finished"], [duration(data.seconds), "of video"], [plural(data.backbones.length, "backbone"), `${plural(data.methods.length, "method")}`], [plural(data.prompts, "prompt"), "same noise for every method"]];
  return h("section", { class: "hero" },
    h("h1", { tabindex: "-1" }, data.name),
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
  return parts.length ? h("p", { class: "note" }, h("a", { href: href("sources") }, `${parts.join(" and ")} about the files`), ": what was left out and why.") : null;
}

// One prompt, one strip per row, times aligned: the picture that papers show.
function showcase(data) {
  if (!data.showcase) return null;
  const heading = h("p", { class: "prompt" });
  const strips = h("div", { class: "strips" });
  const state = { prompt: 0, backbone: data.showcase.backbone };
  const draw = ({ text, id, seed, length, units }) => {
    refill(heading, h("q", {}, text), h("span", { class: "fine" }, ` ${id}, seed ${seed}`));
    refill(strips, ...units.map(([unit, method, address]) => h("div", { class: "strip-row" },
      h("a", { href: href("video", { id: unit }), class: "strip-name" }, swatch(method), h("span", {}, method)),
      strip(address, `${method}: ${text}`, (share) => (location.hash = href("compare", { row: units.slice(0, 4).map(([, name]) => `${state.backbone}|${name}`), prompt: id, seed, t: (share * length).toFixed(1) }))))),
      h("div", { class: "strip-row times", "aria-hidden": "true" }, h("span", {}), h("div", {}, [0, 0.25, 0.5, 0.75, 1].map((share) => h("span", {}, `${Math.round(share * length)} s`)))));
  };
  async function another(step, backbone = state.backbone) {
    const videos = await load("videos");
    const b = data.backbones.indexOf(backbone);
    const lines = videos.lines.filter((line) => line[1] === b && line[5] === "done" && line[6]);
    const shown = [...new Set(lines.map((line) => line[3]))];
    if (!shown.length) return;
    Object.assign(state, { backbone, prompt: (state.prompt + step + shown.length) % shown.length });
    const prompt = shown[state.prompt];
    const seed = lines.find((line) => line[3] === prompt)[4];
    const units = lines.filter((line) => line[3] === prompt && line[4] === seed).slice(0, 8);
    draw({ id: videos.prompts[prompt][0], text: videos.prompts[prompt][1], seed, length: Math.max(...units.map((line) => line[7])), units: units.map((line) => [line[0], data.methods[line[2]].name, line[6]]) });
  }
  draw(data.showcase);
  return h("section", { class: "showcase", "aria-labelledby": "showcase-title" },
    h("div", { class: "section-head" }, h("h2", { id: "showcase-title" }, "One prompt, one noise, every method"),
      h("div", { class: "stepper" },
        data.backbones.length > 1 && segmented("Backbone shown", data.backbones.slice(0, 4).map((name) => [name, name]), state.backbone, (value) => another(0, value)),
        h("button", { type: "button", class: "quiet", "aria-label": "Previous prompt", click: () => another(-1) }, "←"),
        h("button", { type: "button", class: "quiet", "aria-label": "Next prompt", click: () => another(1) }, "→"))),
    heading, strips);
}

function quotedTables(tables) {
  return h("div", {}, h("div", { class: "board-head" }, kindBadge("quoted"), h("p", { class: "fine" }, "Numbers that others published. They were made with other prompts, seeds and machines, so they have no rank here and stand in no table with numbers measured here.")),
    tables.map((table) => h("section", { class: "quoted" }, h("h3", {}, table.title),
      h("p", {}, "Source: ", table.link ? h("a", { href: table.link, rel: "noreferrer noopener" }, table.source) : table.source, `. Protocol: ${table.protocol}.`),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": table.title }, h("table", { class: "plain" },
        h("thead", {}, h("tr", {}, ["Backbone", "Method", "Length", ...table.metrics].map((text, i) => h("th", { scope: "col", class: i > 1 ? "number" : null }, text)), h("th", { scope: "col" }, "Note"))),
        h("tbody", {}, table.rows.map(([backbone, method, length, found, note]) => h("tr", {}, h("th", { scope: "row" }, backbone), h("td", {}, method), h("td", { class: "number" }, length === null ? DASH : seconds(length)), found.map((value) => h("td", { class: "number" }, value === null ? DASH : String(value))), h("td", {}, note ?? "")))))),
      h("p", { class: "fine" }, `From ${table.file}`))));
}

function driftSection(board) {
  const panels = h("div", { class: "panels" });
  const state = { metric: board.metrics[0].name };
  const draw = async () => {
    const drift = await load("drift");
    const of_metric = drift[board.suite]?.[state.metric] ?? [];
    const info = board.metrics.find(({ name }) => name === state.metric);
    const groups = [...new Set(of_metric.map(([backbone, set]) => `${backbone}\n${set}`))];
    const several = new Set(groups.map((key) => key.split("\n")[0])).size < groups.length;
    const length = Math.max(...of_metric.flatMap((line) => line[3]), 1) + 1;
    refill(panels, ...groups.map((key) => {
      const [backbone, set] = key.split("\n");
      const holder = h("div", { class: "chart" });
      const lines = of_metric.filter((line) => line[0] === backbone && line[1] === set).map(([, , method, at, means, errors]) => ({ label: method, colour: methodOf(method).colour, dash: DASHES[methodOf(method).line], points: at.map((second, i) => [second, means[i], errors[i]]) }));
      requestAnimationFrame(() => drawChart(holder, { lines, length, title: info.title }));
      return h("figure", {}, h("figcaption", {}, several ? `${backbone}, ${set}` : backbone), holder);
    }));
    if (!groups.length) refill(panels, h("p", { class: "fine" }, "This metric has no curve."));
  };
  const section = h("section", { "aria-labelledby": "drift-title" }, h("div", { class: "section-head" }, h("h2", { id: "drift-title" }, "Drift over time"), select("Metric", board.metrics.map(({ name, title }) => [name, title]), state.metric, (value) => {
    state.metric = value;
    draw();
  })), legend(site().methods.map(({ name }) => name)), panels, h("p", { class: "fine" }, "Mean over the compared videos of each 2 s clip; the band is the standard error clustered by prompt. A line ends where not all its videos have a value."));
  whenNear(section, draw);
  return section;
}

function legend(methods) {
  return h("ul", { class: "legend" }, methods.map((name) => h("li", {}, swatch(name), name)));
}

function costSection(board) {
  const panels = h("div", { class: "panels" });
  const longest = Math.max(...board.durations);
  const fill = () => costPanels(panels, board, longest, null);
  const section = h("section", { "aria-labelledby": "cost-title" }, h("h2", { id: "cost-title" }, `Cost against quality, ${seconds(longest)}`), panels, h("p", { class: "fine" }, "Up and to the right is better. Bars: 95 % interval of the average rank, with 6 prompts or more."));
  whenNear(section, fill);
  return section;
}

function costPanels(panels, board, length, highlighted) {
  const groups = board.groups.map((group, i) => ({ ...group, i })).filter((group) => group.duration === length && group.prompts);
  refill(panels, ...groups.map((group) => {
    const holder = h("div", { class: "chart" });
    const points = board.rows.filter((row) => row.group === group.i && row.rank[0] !== null && row.cost[0] !== null).map((row) => ({ x: row.cost[0], y: row.rank[0], low: row.rank[1], high: row.rank[2], label: row.method, colour: methodOf(row.method).colour, faded: highlighted !== null && row.method !== highlighted }));
    requestAnimationFrame(() => drawScatter(holder, { points, title: "Average rank", xTitle: "frames per second", flip: true }));
    return h("figure", {}, h("figcaption", {}, group.backbone, h("span", { class: "fine" }, " average rank, 1 is best")), holder);
  }));
}
