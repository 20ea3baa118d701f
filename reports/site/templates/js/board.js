// The leaderboard of one suite.
const metricTitle = (metric) => (metric.quality === false ? metric.title : `${metric.title} ${metric.higher_is_better ? "↑" : "↓"}`);
const directionWords = (metric) => (metric.quality === false ? "describes a video: neither more nor less is better" : `${metric.higher_is_better ? "higher" : "lower"} is better`);

function metricWords(metric) {
  return `${metric.title}: ${directionWords(metric)}.${metric.unit ? ` Unit: ${metric.unit}.` : ""} ${metric.description}`;
}

// The kinds of data that come in columns are read as objects: gives each row its cells, one per
// metric in the order of `board.metrics`.
function giveCells(board) {
  const columns = board.metrics.map((metric) => unpack(metric.cells));
  board.rows.forEach((row, i) => {
    row.cells = columns.map((column) => column[i]);
  });
}

function frozenBadge(row) {
  return row.num_frozen ? h("span", { class: "badges" }, h("span", { class: "badge strong", tabindex: "0", "data-tip": `${row.num_frozen} of ${plural(row.num_videos, "video")} ${row.num_frozen === 1 ? "is" : "are"} frozen: left out of means and ranks. At least half of the clips show no motion, and a still video is best in every consistency.` }, `${row.num_frozen} of ${row.num_videos} frozen: left out`)) : null;
}

// The interval of a cell; with too few prompts for one, the standard error to both sides.
const whiskerEnds = ({ mean, low, high, stderr }) => [low ?? mean - (stderr ?? 0), high ?? mean + (stderr ?? 0)];

function speedCell(row) {
  const speed = row.frames_per_s;
  // Three digits in every row of the column: 8.00 above 7.38.
  const text = speed >= 0.1 && speed < 1000 ? speed.toPrecision(3) : significant(speed, 3);
  return row.settings.length ? h("span", { tabindex: "0", "data-tip": `On ${row.settings.join("; ")}.` }, text) : text;
}

// Least and largest whisker end of each metric.
function whiskerRanges(rows, metrics) {
  return metrics.map((_, i) => {
    const ends = rows.map(({ cells }) => cells[i]).filter(({ mean }) => mean !== null).flatMap(whiskerEnds);
    return ends.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  });
}

function whisker(cell, [least, most]) {
  if (cell.mean === null || !(most > least)) return null;
  const share = (value) => `${(((value - least) / (most - least)) * 100).toFixed(1)}%`;
  const [from, to] = whiskerEnds(cell);
  const bar = setStyle(setStyle(h("i", {}), "left", share(from)), "right", `calc(100% - ${share(to)})`);
  return h("span", { class: "whisker", "aria-hidden": "true" }, bar, setStyle(h("b", {}), "left", share(cell.mean)));
}

// Decimal places of a metric in the table that a row is of.
const decimalsOf = (board, row, metric) => board.groups[row.group].decimals[metric.name] ?? metric.decimals;
const differenceDecimalsOf = (board, row, metric) => board.groups[row.group].difference_decimals[metric.name] ?? metric.decimals;

// Speeds compare only between rows of one machine and setting.
const speedsCompare = (group) => group.settings.length < 2;

function showLeftOut(board, group) {
  const more = group.num_left_out > group.left_out.length ? `The first ${group.left_out.length}. ` : "";
  openDialog(`Left out: ${group.backbone}, ${seconds(group.duration_s)}`, ["left out", ...groupNames(board, group)],
    h("p", {}, "Means are over the prompts and seeds that every compared row has. Some row lacks these or has them frozen, so no row counts them. ", more),
    h("ul", { class: "list" }, group.left_out.map((out) => h("li", {}, h("strong", {}, `${out.prompt_id}, seed ${out.seed}`), `: ${out.method}: ${out.reason}`))));
}

class Board {
  // `state` is what the address remembers: d (length), b (backbone), q (search), mode, sort, order,
  // row (the rows chosen to compare).
  constructor(board, state, changed) {
    Object.assign(this, { board, state, changed });
    this.ranges = whiskerRanges(board.rows, board.metrics);
    this.onDevice = board.rows.some((row) => row.peak_device_mib !== null);
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
    const several = board.durations_s.length > 1;
    return h("div", { class: "controls" },
      several && segmented("Duration", [["", "All"], ...board.durations_s.map((d) => [d, seconds(d)])], state.d, set("d")),
      site().backbones.length > 1 && select("Backbone", [["", "All"], ...site().backbones.map((name) => [name, name])], state.b, set("b"), { id: "backbone-filter" }),
      h("label", { class: "field" }, h("span", {}, "Method or badge"), h("input", { type: "search", id: "method-filter", value: state.q, placeholder: "rag, relative, …", input: (event) => set("q")(event.target.value) })),
      segmented("Show", [["values", "Values"], ["differences", "Difference to baseline"]], state.mode, set("mode")));
  }

  makeTable() {
    const { board, state } = this;
    const position = new Map(board.metrics.map((metric, i) => [metric.name, i]));
    const metricColumns = board.headings.flatMap(({ metrics }) => metrics).map((name) => this.metricColumn(position.get(name)));
    const cost = [
      { title: "Frames/s ↑", value: (row) => (speedsCompare(board.groups[row.group]) ? row.frames_per_s : null), cell: speedCell, digits: 3, first: "descending", tip: "Video frames per second of wall time for the whole rollout, mean over the videos made without interruption. Sorted only where all rows of a group were made on one machine with one number of threads." },
      this.onDevice && { title: "GPU MiB ↓", value: (row) => row.peak_device_mib, digits: 4, first: "ascending", tip: "Largest peak of device memory over the videos." },
      { title: "Host MiB ↓", value: (row) => row.peak_host_mib, digits: 4, first: "ascending", tip: "Largest peak of host memory over the videos." },
    ].filter(Boolean);
    const columns = [
      { title: "Method", rowHead: true, value: (row) => row.method, cell: (row) => this.nameCell(row) },
      { title: "Backbone", className: () => "wide-only label", value: (row) => row.backbone, cell: (row) => h("span", { class: "clamp" }, row.backbone) },
      { title: "Length", className: () => "wide-only", value: (row) => board.durations_s.indexOf(board.groups[row.group].duration_s), text: (row) => seconds(board.groups[row.group].duration_s), cell: (row) => seconds(board.groups[row.group].duration_s), number: true },
      { title: "Avg. rank ↓", text: (row) => number(row.average_rank, 2), value: (row) => row.average_rank, cell: (row) => this.rankCell(row), number: true, tip: "Mean of the ranks within the group over the metrics of quality that all its rows have; 1 is best. The range below is that of 95 % of resampled sets of prompts; it shows how stable the order is." },
      ...metricColumns,
      { title: "Drift", cell: (row) => sparkline(row.spark, methodOf(row.method).colour) },
      ...cost.map((column) => ({ cell: (row) => significant(column.value(row), column.digits), text: (row) => significant(column.value(row), column.digits), ...column, number: true })),
    ];
    const headings = [["", 1], ["", 1, "wide-only"], ["", 1, "wide-only"], ["", 1], ...board.headings.map(({ title, metrics }) => [title, metrics.length]), ["", 1], ["Cost", cost.length]];
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
    const { board } = this;
    const seeds = group.num_prompts ? Math.round(group.num_videos / group.num_prompts) : 0;
    const text = group.num_prompts ? `${plural(group.num_prompts, "prompt")}${seeds > 1 ? ` × ${seeds} seeds` : ""}` : "nothing to compare yet";
    const few = group.num_prompts > 0 && group.num_prompts < site().min_prompts;
    return h("span", { class: "group" }, h("strong", {}, group.backbone), h("span", {}, seconds(group.duration_s)),
      h("span", { tabindex: "0", "data-tip": `All compared rows have these ${plural(group.num_prompts, "prompt")} and ${plural(group.num_videos, "video")}. Fingerprint of the prompts and seeds: ${group.fingerprint}.` }, group.prompt_set ? `${group.prompt_set}, ${text}` : text),
      few && h("span", { class: "badge strong", tabindex: "0", "data-tip": `Fewer than ${site().min_prompts} prompts give no reliable 95 % interval, so differences cannot be distinguished from noise.` }, "too few prompts for intervals"),
      !speedsCompare(group) && h("span", { class: "badge", tabindex: "0", "data-tip": `Made on ${group.settings.join("; ")}. Speeds compare only within one of these.` }, "speeds of several settings"),
      group.num_left_out > 0 && h("button", { type: "button", class: "badge strong", click: () => showLeftOut(board, group) }, `${plural(group.num_left_out, "video")} left out`));
  }

  nameCell(row) {
    const facts = factsOf(row.backbone, row.method);
    const chosen = this.state.row.includes(rowName(row));
    return h("div", { class: "name" },
      h("label", { class: "pick" }, h("input", { type: "checkbox", checked: chosen, "data-focus": `pick-${rowName(row)}-${row.group}`, "aria-label": `Compare ${row.method} on ${row.backbone}`, change: (event) => this.pick(row, event.target.checked) })),
      h("div", {}, h("a", { href: href("methods", { name: row.method }), "data-tip": methodSentence(row.method) }, swatch(row.method), h("span", { class: "clamp" }, row.method)), row.complete || !row.num_videos ? null : h("span", { tabindex: "0", "data-tip": `This row has ${row.num_videos} of its ${row.num_planned} videos.` }, " †"), frozenBadge(row), badges(facts)));
  }

  pick(row, on) {
    const chosen = this.state.row.filter((name) => name !== rowName(row));
    this.state.row = on ? [...chosen, rowName(row)].slice(-MAX_COMPARED) : chosen;
    this.changed();
    this.table.drawn = null;
    this.table.draw();
  }

  rankCell(row) {
    const { average_rank: rank, rank_low: low, rank_high: high } = row;
    if (rank === null) return h("span", { tabindex: "0", "data-tip": row.competes ? "No metric has a value in every row." : `${row.num_videos} of ${row.num_planned} videos are finished and scored; a row needs half of those of its group to be compared.` }, row.competes ? DASH : `${row.num_videos} of ${row.num_planned}`);
    return h("span", { "data-tip": low === null ? null : `In 95 % of resampled sets of prompts: ${number(low, 2)} to ${number(high, 2)}.` }, h("span", { class: "rank" }, number(rank, 2)), low === null ? null : h("small", {}, around(low, high, null, 1)));
  }

  metricColumn(i) {
    const metric = this.board.metrics[i];
    const showsDifference = () => this.state.mode === "differences";
    return {
      title: metricTitle(metric),
      tip: metricWords(metric), number: true, first: metric.higher_is_better ? "descending" : "ascending",
      value: (row) => (showsDifference() ? row.cells[i].difference : row.cells[i].mean),
      className: (row) => (!row || showsDifference() ? "" : (row.cells[i].mark ?? "")),
      text: (row) => (showsDifference() ? this.differenceText(row, i) : this.meanText(row, i)),
      cell: (row) => this.metricCell(row, i, showsDifference()),
    };
  }

  meanText(row, i) {
    const { mean, low, high, stderr } = row.cells[i];
    const decimals = decimalsOf(this.board, row, this.board.metrics[i]);
    return mean === null ? DASH : withError(number(mean, decimals), low, around(low, high, stderr, decimals));
  }

  differenceText(row, i) {
    const cell = row.cells[i];
    const decimals = differenceDecimalsOf(this.board, row, this.board.metrics[i]);
    if (cell.difference === null) return DASH;
    const error = around(cell.difference_low, cell.difference_high, cell.difference_stderr, decimals);
    return withError(signed(cell.difference, decimals) + marksOf(cell.p_table), cell.difference_low, error);
  }

  metricCell(row, i, showsDifference) {
    const metric = this.board.metrics[i];
    const cell = row.cells[i];
    if (cell.mean === null && !row.num_videos) return h("span", { tabindex: "0", "data-tip": cellWords(cell, decimalsOf(this.board, row, metric)) }, DASH);
    const attributes = { type: "button", class: "cell", "data-focus": `${rowName(row)}-${row.group}-${i}`, click: () => traceCell(this.board, row, i) };
    if (showsDifference) return this.differenceCell(row, cell, metric, attributes);
    const decimals = decimalsOf(this.board, row, metric);
    const mark = { best: " best", near: " may be the best as well" }[cell.mark];
    return h("button", { ...attributes, "data-tip": cellWords(cell, decimalsOf(this.board, row, metric)) },
      number(cell.mean, decimals), mark && h("span", { class: "unseen" }, mark),
      cell.mean === null ? null : h("small", {}, around(cell.low, cell.high, cell.stderr, decimals) ?? "one prompt"),
      whisker(cell, this.ranges[i]));
  }

  differenceCell(row, cell, metric, attributes) {
    const { baseline } = this.board.groups[row.group];
    if (cell.difference === null) {
      const isBaseline = cell.mean !== null && row.method === baseline;
      const tip = cell.mean === null ? cellWords(cell, decimalsOf(this.board, row, metric)) : isBaseline ? "The baseline." : "The baseline has no value to compare with.";
      return h("button", { ...attributes, "data-tip": tip }, h("span", { class: "fine" }, isBaseline ? number(cell.mean, decimalsOf(this.board, row, metric)) : DASH));
    }
    const marks = marksOf(cell.p_table);
    const side = marks && metric.quality ? (cell.difference > 0 === metric.higher_is_better ? "better" : "worse") : "";
    const decimals = differenceDecimalsOf(this.board, row, metric);
    return h("button", { ...attributes, class: `cell ${side} ${marks ? "sure" : ""}`, "data-tip": `Against ${baseline}: ${differenceWords(metric, cell, decimals)}` },
      signed(cell.difference, decimals), marks ? [` ${marks}`, side && h("span", { class: "unseen" }, ` ${side}`)] : null,
      h("small", {}, around(cell.difference_low, cell.difference_high, cell.difference_stderr, decimals) ?? "one prompt"));
  }

  update() {
    const { board, state } = this;
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = board.rows.filter((row) => {
      const group = board.groups[row.group];
      if (state.d && String(group.duration_s) !== String(state.d)) return false;
      if (state.b && row.backbone !== state.b) return false;
      if (!words.length) return true;
      const text = [row.method, row.backbone, ...badgesOf(factsOf(row.backbone, row.method)).map(([badge]) => badge)].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    this.table.setRows(rows);
    this.count.textContent = rows.length === board.rows.length ? plural(rows.length, "row") : `${rows.length} of ${plural(board.rows.length, "row")}`;
  }

  notes() {
    const { min_prompts: fewest, mark_levels: [one, two] } = site();
    return h("details", { class: "how" }, h("summary", {}, "How to read these numbers"),
      h("ul", { class: "list" },
        h("li", {}, "A group is one backbone on one prompt set at one length. All means of a group are over the same prompts and seeds: those that every compared row has. A row with fewer than half of them is not compared yet."),
        h("li", {}, h("span", { class: "key best" }, "Filled"), ": the best mean of its group. ", h("span", { class: "key near" }, "Outlined"), ": may be the best as well. A method that is the best, or equal to it, lacks both marks in at most 5 % of tables; a table is one suite at one length, with all its rows and metrics. Where the tests rule out no method, nothing is marked."),
        h("li", {}, "Ranks are within a group, over the metrics that say how good a video is; the amount of motion, for one, has no rank."),
        h("li", {}, `Intervals are 95 % bootstrap-t intervals over whole prompts. With fewer than ${fewest} prompts, or where half or more of the prompts share one value and too few differ, no interval can be trusted, and the standard error is shown instead.`),
        h("li", {}, `Differences compare videos of the same prompt, seed and noise. * marks p < ${one} and ** p < ${two}, corrected over all rows and metrics of the table by flips of the signs of whole prompts: of tables without any difference, at most one in twenty has a *. The words behind each number say which difference the prompts tell, and how many more this one needs.`),
        h("li", {}, "Click any number for the videos, files and command behind it.")),
      h("dl", { class: "glossary" }, this.board.metrics.map((metric) => h("div", {}, h("dt", {}, metric.title, h("span", { class: "fine" }, ` ${directionWords(metric)}${metric.unit ? `, ${metric.unit}` : ""}`)), h("dd", {}, metric.description)))));
  }
}
