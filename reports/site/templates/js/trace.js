// The dialog behind a number: the videos it is the mean of, their files, and the command.
// `popup` is what the address remembers of it, so that a link opens it again.
function openDialog(title, popup, ...content) {
  const dialog = byId("dialog");
  const { path, params } = route();
  const others = Object.fromEntries([...new Set(params.keys())].filter((name) => name !== "popup").map((name) => [name, params.getAll(name)]));
  const name = JSON.stringify(popup);
  remember(path, { ...others, popup: name });
  // A link in it that was followed has changed the address already.
  dialog.addEventListener("close", () => route().params.get("popup") === name && remember(path, others), { once: true });
  refill(dialog,
    h("div", { class: "dialog-head" }, h("h2", { id: "dialog-title" }, title), h("button", { type: "button", class: "quiet", "aria-label": "Close", click: () => dialog.close() }, "✕")),
    ...content);
  dialog.showModal();
  dialog.scrollTop = 0;
}

// Opens the popup that an address names: the videos behind a number, or those left out of a group.
function openPopup(text) {
  let names;
  try {
    names = JSON.parse(text);
  } catch {
    return;
  }
  const [kind, suite, length, set, backbone, method, metric] = Array.isArray(names) ? names : [];
  const board = site().boards.find((one) => one.suite === suite);
  const index = board?.groups.findIndex((group) => group.duration_s === length && group.prompt_set === set && group.backbone === backbone) ?? -1;
  if (index < 0) return;
  const row = board.rows.find((one) => one.group === index && one.method === method);
  const place = board.metrics.findIndex(({ name }) => name === metric);
  if (kind === "left out") showLeftOut(board, board.groups[index]);
  else if (row && place >= 0) traceCell(board, row, place);
}

const groupNames = (board, group) => [board.suite, group.duration_s, group.prompt_set, group.backbone];

// The mean of a cell in words.
function cellWords(cell, decimals) {
  if (cell.mean === null) return `No value: ${cell.reason ?? "not measured"}.`;
  const parts = [];
  const beside = around(cell.low, cell.high, cell.stderr, decimals);
  if (cell.low !== null) parts.push(`95 % interval ${beside}`);
  else if (beside !== null) parts.push(`${beside} standard error; no 95 % interval: ${cell.no_interval}`);
  parts.push(`mean over ${plural(cell.num_videos, "video")} of ${plural(cell.num_prompts, "prompt")}`);
  if (cell.rank !== null) parts.push(`rank ${cell.rank} in its group`);
  if (cell.mark === "best") parts.push("best in its group");
  if (cell.mark === "near") parts.push(`may be the best as well (p = ${significant(cell.best_p, 2)}, corrected over the table)`);
  if (cell.mark === null && cell.best_p !== null) parts.push(cell.best_p < site().mark_levels[0] ? `not the best (p = ${significant(cell.best_p, 2)}, corrected over the table)` : "the tests rule out no method");
  if (cell.reason) parts.push(`some videos have no value: ${cell.reason}`);
  return `${parts.join("; ")}.`;
}

// The difference of a cell to the baseline in words.
function differenceWords(metric, cell, decimals) {
  const beside = around(cell.difference_low, cell.difference_high, cell.difference_stderr, decimals);
  const error = cell.difference_low !== null ? `95 % interval ${beside}` : beside === null ? "one prompt" : `${beside} standard error; no 95 % interval: ${cell.difference_no_interval}`;
  const test = cell.p === null ? "no difference to test" : `p = ${significant(cell.p, 2)}, corrected over the table ${significant(cell.p_table, 2)}`;
  const size = cell.effect_size === null ? "" : `, effect size ${significant(cell.effect_size, 2)}`;
  return `${signed(cell.difference, decimals)} (${error}); ${test}${size}; better in ${Math.round(cell.win_rate * 100)} % of the pairs. ${reachWords(metric, cell)}`;
}

// Which difference the prompts of a cell tell, and how many more the one seen needs.
function reachWords(metric, cell) {
  if (cell.smallest_detectable === null) return "";
  const detectable = `${plural(cell.num_prompts, "prompt")} can detect differences of ${significant(cell.smallest_detectable, 2)} and more (80 % power).`;
  if (marksOf(cell.p_table) || cell.difference === 0) return detectable;
  const needed = cell.prompts_needed;
  if (needed === null) return `${detectable} No practical number of prompts can detect one this small.`;
  return needed > cell.num_prompts ? `${detectable} One of this size needs about ${needed}, ${needed - cell.num_prompts} more.` : detectable;
}

// The marks of a p-value that is corrected over its table.
const marksOf = (p) => (p === null ? "" : "*".repeat(site().mark_levels.filter((level) => p < level).length));

async function traceCell(board, row, index) {
  const metric = board.metrics[index];
  const group = board.groups[row.group];
  const cell = row.cells[index];
  const decimals = decimalsOf(board, row, metric);
  const title = `${metric.title}: ${row.method} on ${row.backbone}, ${seconds(group.duration_s)}`;
  const place = h("div", { class: "busy" }, h("p", { class: "fine" }, "Loading the videos …"));
  openDialog(title, ["number", ...groupNames(board, group), row.method, metric.name],
    h("p", { class: "figure" }, h("strong", {}, number(cell.mean, decimals)), " ", cellWords(cell, decimals)),
    cell.difference !== null && h("p", {}, `Against ${group.baseline} on the same prompts and noise: `, differenceWords(metric, cell, differenceDecimalsOf(board, row, metric))),
    h("p", { class: "fine" }, `It ${metric.quality ? `is a metric of quality: ${directionWords(metric)}` : directionWords(metric)}${metric.unit ? `, in ${metric.unit}` : ""}. ${metric.description} ${metric.suite === board.suite ? `Suite ${board.suite} (${board.kind}), version ${board.version}.` : `Your own metric ${metric.suite}, with tests of its own.`}`),
    place);
  const videos = (await loadVideos((piece) => rowName(piece) === rowName(row))).filter(({ prompt_id: id }) => promptSet(id) === group.prompt_set);
  const length = String(group.duration_s);
  const valueIn = (video) => valueOf(video, metric.suite, length, metric.name);
  const counted = (video) => row.competes && valueIn(video) !== null && Boolean(video.piece.counted[metric.suite][length][video.index]);
  const table = new DataTable({ label: "Videos behind the number", columns: [
    { title: "Video", rowHead: true, value: (video) => video.prompt_id, cell: (video) => h("a", { href: href("video", { id: video.unit_id }), click: () => byId("dialog").close() }, video.prompt_id) },
    { title: "Seed", value: (video) => video.seed, cell: (video) => video.seed },
    { title: "Value", number: true, first: metric.higher_is_better ? "descending" : "ascending", value: valueIn, text: (video) => number(valueIn(video), metric.decimals), cell: (video) => (valueIn(video) === null ? (video.status === "done" ? DASH : video.status) : number(valueIn(video), metric.decimals)) },
    { title: "Counted", value: (video) => (counted(video) ? "yes" : "no"), cell: (video) => (counted(video) ? "yes" : "no") },
    { title: "Files", className: () => "links", cell: (video) => [fileLink(video.piece.scores[metric.suite]?.[video.index], "scores"), " ", fileLink(video.record, "record")] },
  ] });
  refill(place,
    table.node,
    h("h3", {}, "Commands"),
    ...commandsFor(sourceOf(row), row.backbone, row.method).map(({ text }) => commandBlock(text)),
    h("p", { class: "fine" }, "Run in the folder the sweep was started in. ", h("a", { href: href("sources") }, "Versions, revision and all commands")));
  table.setRows(videos);
}

const fileLink = (address, text) => (address ? h("a", { href: address }, text) : null);
const promptSet = (id) => (id.includes("/") ? id.slice(0, id.lastIndexOf("/")) : "");

// The store whose commands made a row: the first that names it.
function sourceOf({ backbone, method }) {
  const found = site().sources.findIndex(({ commands }) => commands.some(({ rows }) => rows.some((row) => row.backbone === backbone && method.startsWith(row.method))));
  return Math.max(0, found);
}
