// The leaderboard of one suite. A cell is [mean, low, high, standard error, rank, mark, videos,
// prompts, reason, versus]; mark 2 is the best, 1 within its noise; versus is [difference, low, high,
// standard error, p, corrected p, effect size, win rate] against the baseline of the group.
const P_LEVEL = 0.05;

function metricHead(info) {
  return `${info.title}: ${info.up ? "higher" : "lower"} is better.${info.unit ? ` Unit: ${info.unit}.` : ""} ${info.text}`;
}

function frozenBadge(row) {
  const [, videos, , frozen] = row.counts;
  return frozen ? h("span", { class: "badges" }, h("span", { class: "badge strong", tabindex: "0", "data-tip": "At least half of the clips of these videos show no motion. A still video wins every consistency: look at the motion first." }, `${frozen} of ${videos} frozen`)) : null;
}

// Least and largest end of the intervals of each metric, for the whiskers.
function scales(rows, metrics) {
  return metrics.map((_, i) => {
    const ends = rows.flatMap(({ cells }) => (cells[i] && cells[i][0] !== null ? [cells[i][1] ?? cells[i][0] - (cells[i][3] ?? 0), cells[i][2] ?? cells[i][0] + (cells[i][3] ?? 0)] : []));
    return ends.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  });
}

function whisker([mean, low, high, stderr], [least, most]) {
  if (mean === null || !(most > least)) return null;
  const share = (value) => `${(((value - least) / (most - least)) * 100).toFixed(1)}%`;
  const [from, to] = [low ?? mean - (stderr ?? 0), high ?? mean + (stderr ?? 0)];
  const bar = setStyle(setStyle(h("i", {}), "left", share(from)), "right", `calc(100% - ${share(to)})`);
  return h("span", { class: "whisker", "aria-hidden": "true" }, bar, setStyle(h("b", {}), "left", share(mean)));
}

class Board {
  // `state` holds what the address remembers: d, b, q, mode, sort, order, row (chosen).
  constructor(board, state, changed) {
    Object.assign(this, { board, state, changed });
    this.scales = scales(board.rows, board.metrics);
    this.onDevice = board.rows.some(({ cost }) => cost[1] !== null);
    this.count = h("p", { class: "fine", role: "status" });
    this.table = this.makeTable();
    this.node = h("div", {}, this.filters(), this.table.node, this.count, this.notes());
  }

  filters() {
    const { board, state } = this;
    const set = (name) => (value) => {
      state[name] = value;
      this.changed();
      if (name === "mode") this.table.drawn = null;
      this.update();
    };
    const several = board.durations.length > 1;
    return h("div", { class: "controls" },
      several && segmented("Duration", [["", "All"], ...board.durations.map((d) => [d, seconds(d)])], state.d, set("d")),
      site().backbones.length > 1 && select("Backbone", [["", "All"], ...site().backbones.map((name) => [name, name])], state.b, set("b"), { id: "backbone-filter" }),
      h("label", { class: "field" }, h("span", {}, "Method or badge"), h("input", { type: "search", id: "method-filter", value: state.q, placeholder: "rag, relative, …", input: (event) => set("q")(event.target.value) })),
      segmented("Show", [["values", "Values"], ["differences", "Difference to baseline"]], state.mode, set("mode")));
  }

  makeTable() {
    const { board, state } = this;
    const metricColumns = board.headings.flatMap(([, indices]) => indices).map((i) => this.metricColumn(i));
    const cost = [["Frames/s ↑", 0, "descending", "Video frames over end-to-end wall time of the whole rollout, mean over the videos made in one go."],
      this.onDevice && ["GPU MiB ↓", 1, "ascending", "Largest peak of device memory over the videos."],
      ["Host MiB ↓", 2, "ascending", "Largest peak of host memory over the videos."]].filter(Boolean);
    const columns = [
      { title: "Method", rowHead: true, value: (row) => row.method, cell: (row) => this.nameCell(row) },
      { title: "Backbone", className: () => "wide-only", value: (row) => row.backbone, cell: (row) => row.backbone },
      { title: "Length", className: () => "wide-only", value: (row) => board.groups[row.group].duration, cell: (row) => seconds(board.groups[row.group].duration), number: true },
      { title: "Avg. rank ↓", value: (row) => row.rank[0], cell: (row) => this.rankCell(row), number: true, tip: "Mean of the ranks within the group over the metrics that all its rows have; 1 is best. The interval draws the prompts anew." },
      ...metricColumns,
      { title: "Drift", cell: (row) => sparkline(row.spark, methodOf(row.method).colour) },
      ...cost.map(([title, i, first, tip]) => ({ title, first, tip, number: true, value: (row) => row.cost[i], cell: (row) => (row.cost[i] === null ? DASH : significant(row.cost[i], i ? 4 : 3)) })),
    ];
    const headings = [["", 1], ["", 1, "wide-only"], ["", 1, "wide-only"], ["", 1], ...board.headings.map(([text, indices]) => [text, indices.length]), ["", 1], ["Cost", cost.length]];
    const column = columns.findIndex(({ title }) => title === state.sort);
    return new DataTable({
      label: `Leaderboard of suite ${board.suite}, ${board.kind}`, columns, headings,
      rowClass: (row) => (row.competes ? null : "waiting"),
      separator: { key: (row) => row.group, node: (row) => this.groupHead(board.groups[row.group]) },
      sorted: column < 0 ? null : { column, order: state.order },
      onSort: (sort) => {
        Object.assign(state, { sort: sort.order ? columns[sort.column].title : "", order: sort.order ?? "" });
        this.changed();
      },
    });
  }

  groupHead(group) {
    const seeds = group.prompts ? Math.round(group.videos / group.prompts) : 0;
    const text = group.prompts ? `${plural(group.prompts, "prompt")}${seeds > 1 ? ` × ${seeds} seeds` : ""}` : "nothing to compare yet";
    const few = group.prompts > 0 && group.prompts < 6;
    return h("span", { class: "group" }, h("strong", {}, group.backbone), h("span", {}, seconds(group.duration)),
      h("span", { tabindex: "0", "data-tip": `Every compared row has these ${plural(group.prompts, "prompt")} and ${plural(group.videos, "video")}; ${group.mark} marks the list of prompts and seeds.` }, group.set ? `${group.set}, ${text}` : text),
      few && h("span", { class: "badge strong", tabindex: "0", "data-tip": "With fewer than 6 prompts no honest 95 % interval exists, and no difference can be told from noise." }, "too few prompts to tell"),
      group.num_left_out > 0 && h("button", { type: "button", class: "badge strong", click: () => this.showLeftOut(group) }, `${plural(group.num_left_out, "video")} left out`));
  }

  showLeftOut(group) {
    const more = group.num_left_out > group.left_out.length ? `The first ${group.left_out.length}. ` : "";
    openDialog(`Left out: ${group.backbone}, ${seconds(group.duration)}`,
      h("p", {}, "Means are over the prompts and seeds that every compared row has. These are missing in some row, so they count in none. ", more),
      h("ul", { class: "list" }, group.left_out.map(([prompt, seed, method, reason]) => h("li", {}, h("strong", {}, `${prompt}, seed ${seed}`), `: ${method}: ${reason}`))));
  }

  nameCell(row) {
    const facts = factsOf(row.backbone, row.method);
    const chosen = this.state.row.includes(rowName(row));
    return h("div", { class: "name" },
      h("label", { class: "pick" }, h("input", { type: "checkbox", checked: chosen, "data-focus": `pick-${rowName(row)}-${row.group}`, "aria-label": `Compare ${row.method} on ${row.backbone}`, change: (event) => this.pick(row, event.target.checked) })),
      h("div", {}, h("a", { href: href("methods", { name: row.method }) }, swatch(row.method), row.method), row.complete || !row.counts[1] ? null : h("span", { tabindex: "0", "data-tip": `This row has ${row.counts[1]} of its ${row.counts[2]} videos.` }, " †"), frozenBadge(row), badges(facts)));
  }

  pick(row, on) {
    const chosen = this.state.row.filter((name) => name !== rowName(row));
    this.state.row = on ? [...chosen, rowName(row)].slice(-4) : chosen;
    this.changed();
    this.table.drawn = null;
    this.table.draw();
  }

  rankCell(row) {
    const [rank, low, high] = row.rank;
    if (rank === null) return h("span", { tabindex: "0", "data-tip": row.competes ? "No metric has a value in every row." : `${row.counts[1]} of ${row.counts[2]} videos are there; half are needed to be compared.` }, row.competes ? DASH : `${row.counts[1]} of ${row.counts[2]}`);
    return h("span", { "data-tip": low === null ? null : `95 % of draws of the prompts give ${number(low, 2)} to ${number(high, 2)}.` }, h("span", { class: "rank" }, number(rank, 2)), low === null ? null : h("small", {}, `${number(low, 1)}–${number(high, 1)}`));
  }

  metricColumn(i) {
    const info = this.board.metrics[i];
    const difference = () => this.state.mode === "differences";
    return {
      title: `${info.title} ${info.up ? "↑" : "↓"}`,
      tip: metricHead(info), number: true, first: info.up ? "descending" : "ascending",
      value: (row) => (difference() ? row.cells[i]?.[9]?.[0] ?? null : row.cells[i]?.[0] ?? null),
      className: (row) => (!row || difference() ? "" : ["", "near", "best"][row.cells[i]?.[5] ?? 0]),
      cell: (row) => this.metricCell(row, i, info, difference()),
    };
  }

  metricCell(row, i, info, difference) {
    const coarse = Math.max(0, info.decimals - 1); // ends of intervals are told with one digit less
    const cell = row.cells[i];
    if (!cell || (cell[0] === null && !row.counts[1])) return h("span", { tabindex: "0", "data-tip": cell ? `No value: ${cell[8] ?? "not measured"}.` : "Not measured at this length." }, DASH);
    const attributes = { type: "button", class: "cell", "data-focus": `${rowName(row)}-${row.group}-${i}`, click: () => traceCell(this.board, row, i) };
    const group = this.board.groups[row.group];
    if (difference) {
      const versus = cell[9];
      if (!versus) return h("button", { ...attributes, "data-tip": cell[0] === null ? cellWords(this.board, cell) : row.method === group.baseline ? "The baseline." : "Nothing to compare with." }, h("span", { class: "fine" }, cell[0] !== null && row.method === group.baseline ? number(cell[0], info.decimals) : DASH));
      const better = versus[0] === 0 ? "" : versus[0] > 0 === info.up ? "better" : "worse";
      const sure = versus[5] !== null && versus[5] < P_LEVEL;
      return h("button", { ...attributes, class: `cell ${better} ${sure ? "sure" : ""}`, "data-tip": `Against ${group.baseline}: ${versusWords(info, group.baseline, versus)}` },
        signed(versus[0], info.decimals), sure ? " *" : null, h("span", { class: "unseen" }, ` ${better}`),
        h("small", {}, versus[1] === null ? `± ${number(versus[3], info.decimals)}` : `[${number(versus[1], info.decimals)}, ${number(versus[2], info.decimals)}]`));
    }
    const mark = ["", " within the noise of the best", " best"][cell[5]];
    return h("button", { ...attributes, "data-tip": cellWords(this.board, cell) },
      number(cell[0], info.decimals), mark && h("span", { class: "unseen" }, mark),
      cell[0] === null ? null : h("small", {}, cell[1] !== null ? `${number(cell[1], coarse)}–${number(cell[2], coarse)}` : cell[3] !== null ? `± ${number(cell[3], info.decimals)}` : "one prompt"),
      whisker(cell, this.scales[i]));
  }

  update() {
    const { board, state } = this;
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = board.rows.filter((row) => {
      const group = board.groups[row.group];
      if (state.d && String(group.duration) !== String(state.d)) return false;
      if (state.b && row.backbone !== state.b) return false;
      if (!words.length) return true;
      const text = [row.method, row.backbone, ...badgesOf(factsOf(row.backbone, row.method)).map(([badge]) => badge)].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    this.table.setRows(rows);
    this.count.textContent = rows.length === board.rows.length ? plural(rows.length, "row") : `${rows.length} of ${plural(board.rows.length, "row")}`;
  }

  notes() {
    return h("details", { class: "how" }, h("summary", {}, "How to read these numbers"),
      h("ul", { class: "list" },
        h("li", {}, "A group is one backbone on one prompt set at one length. All means of a group are over the same prompts and seeds: those that every compared row has. A row with fewer than half of them is not compared yet."),
        h("li", {}, h("span", { class: "key best" }, "Filled"), " is the best mean of its group, ", h("span", { class: "key near" }, "outlined"), " is within the noise of the best: the 95 % interval of the paired difference holds zero."),
        h("li", {}, "Intervals are 95 % bootstrap intervals that draw whole prompts; with fewer than 6 prompts the standard error is shown instead."),
        h("li", {}, "Differences pair the same prompt, seed and noise. * marks p < 0.05 by the signed-rank test over prompts, corrected over the metrics of the row (Holm)."),
        h("li", {}, "Click any number for the videos, files and command behind it.")),
      h("dl", { class: "glossary" }, this.board.metrics.map((info) => h("div", {}, h("dt", {}, info.title, h("span", { class: "fine" }, ` ${info.up ? "higher" : "lower"} is better${info.unit ? `, ${info.unit}` : ""}`)), h("dd", {}, info.text)))));
  }
}
