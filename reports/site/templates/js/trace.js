// The dialog behind a number: the videos it is the mean of, their files, and the command.
function openDialog(title, ...content) {
  const dialog = byId("dialog");
  refill(dialog,
    h("div", { class: "dialog-head" }, h("h2", { id: "dialog-title" }, title), h("button", { type: "button", class: "quiet", "aria-label": "Close", click: () => dialog.close() }, "✕")),
    ...content);
  dialog.showModal();
  dialog.scrollTop = 0;
}

// The mean of a cell in words.
function cellWords(cell) {
  if (cell.mean === null) return `No value: ${cell.reason ?? "not measured"}.`;
  const parts = [];
  if (cell.low !== null) parts.push(`95 % interval ${significant(cell.low, 4)} to ${significant(cell.high, 4)}`);
  else if (cell.stderr !== null) parts.push(`± ${significant(cell.stderr, 2)} standard error; no 95 % interval: ${cell.no_interval}`);
  parts.push(`mean over ${plural(cell.num_videos, "video")} of ${plural(cell.num_prompts, "prompt")}`);
  if (cell.rank !== null) parts.push(`rank ${cell.rank} in its group`);
  if (cell.mark === "best") parts.push("best in its group");
  if (cell.mark === "near") parts.push(`may be the best as well (p = ${significant(cell.best_p, 2)}, corrected over the table)`);
  if (cell.mark === null && cell.best_p !== null) parts.push(`not the best (p = ${significant(cell.best_p, 2)}, corrected over the table)`);
  if (cell.reason) parts.push(`some videos have no value: ${cell.reason}`);
  return `${parts.join("; ")}.`;
}

// The difference of a cell to the baseline in words.
function differenceWords(metric, cell) {
  const around = cell.difference_low !== null ? `95 % interval ${signed(cell.difference_low, metric.decimals)} to ${signed(cell.difference_high, metric.decimals)}` : cell.difference_stderr !== null ? `± ${significant(cell.difference_stderr, 2)} standard error; no 95 % interval: ${cell.difference_no_interval}` : "one prompt";
  const test = cell.p === null ? "no difference to test" : `p = ${significant(cell.p, 2)}, corrected over the table ${significant(cell.p_table, 2)}`;
  const size = cell.effect_size === null ? "" : `, effect size ${significant(cell.effect_size, 2)}`;
  return `${signed(cell.difference, metric.decimals)} (${around}); ${test}${size}; better in ${Math.round(cell.win_rate * 100)} % of the pairs. ${reachWords(metric, cell)}`;
}

// Which difference the prompts of a cell tell, and how many more the one seen needs.
function reachWords(metric, cell) {
  if (cell.smallest_detectable === null) return "";
  const detectable = `${plural(cell.num_prompts, "prompt")} tell differences of ${significant(cell.smallest_detectable, 2)} and more (80 % power).`;
  if (marksOf(cell.p_table) || cell.difference === 0) return detectable;
  const needed = cell.prompts_needed;
  if (needed === null) return `${detectable} No practical number of prompts tells one as small as this.`;
  return needed > cell.num_prompts ? `${detectable} One of this size needs about ${needed}, ${needed - cell.num_prompts} more.` : detectable;
}

// The marks of a p-value that is corrected over its table.
const marksOf = (p) => (p === null ? "" : "*".repeat(site().mark_levels.filter((level) => p < level).length));

async function traceCell(board, row, index) {
  const metric = board.metrics[index];
  const group = board.groups[row.group];
  const cell = row.cells[index];
  const title = `${metric.title}: ${row.method} on ${row.backbone}, ${seconds(group.duration_s)}`;
  const place = h("div", { class: "busy" }, h("p", { class: "fine" }, "Loading the videos …"));
  openDialog(title,
    h("p", { class: "figure" }, h("strong", {}, number(cell.mean, metric.decimals)), " ", cellWords(cell)),
    cell.difference !== null && h("p", {}, `Against ${group.baseline} on the same prompts and noise: `, differenceWords(metric, cell)),
    h("p", { class: "fine" }, `${metric.higher_is_better ? "Higher" : "Lower"} is better${metric.unit ? `, in ${metric.unit}` : ""}. ${metric.description} Suite ${board.suite} (${board.kind}), version ${board.version}.`),
    place);
  const list = await loadVideos();
  const values = list.values[board.suite][String(group.duration_s)][metric.name] ?? [];
  const pairName = ({ prompt, seed }) => `${prompt},${seed}`;
  const compared = new Set(unpack(list.pairs[board.suite][row.group]).map(pairName));
  const lines = list.all
    .filter((video) => video.backbone === row.backbone && video.method === row.method && promptSet(video.prompt_id) === group.prompt_set)
    .map((video) => ({ video, value: values[video.index] ?? null, scores: list.scores[board.suite][video.index] }));
  const counted = ({ video, value }) => row.competes && value !== null && compared.has(pairName(video));
  refill(place,
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Videos behind the number" }, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Video", "Seed", "Value", "Counted", "Files"].map((text, i) => h("th", { scope: "col", class: i === 2 ? "number" : null }, text)))),
      h("tbody", {}, lines.map((line) => h("tr", {},
        h("th", { scope: "row" }, h("a", { href: href("video", { id: line.video.unit_id }), click: () => byId("dialog").close() }, line.video.prompt_id)),
        h("td", {}, line.video.seed),
        h("td", { class: "number" }, line.value === null ? (line.video.status === "done" ? DASH : line.video.status) : number(line.value, metric.decimals)),
        h("td", {}, counted(line) ? "yes" : "no"),
        h("td", { class: "links" }, fileLink(line.scores, "scores"), " ", fileLink(line.video.record, "record"))))))),
    h("h3", {}, "Commands"),
    ...commandsFor(sourceOf(row), row.backbone, row.method).map(({ text }) => commandBlock(text)),
    h("p", { class: "fine" }, "Run in the folder the sweep was started in. ", h("a", { href: href("sources") }, "Versions, revision and all commands")));
}

const fileLink = (address, text) => (address ? h("a", { href: address }, text) : null);
const promptSet = (id) => (id.includes("/") ? id.slice(0, id.lastIndexOf("/")) : "");

// The store whose commands made a row: the first that names it.
function sourceOf({ backbone, method }) {
  const found = site().sources.findIndex(({ commands }) => commands.some(({ rows }) => rows.some((row) => row.backbone === backbone && method.startsWith(row.method))));
  return Math.max(0, found);
}
