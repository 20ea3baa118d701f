// Where a number comes from: the videos it is the mean of, their files, and the command.
function openDialog(title, ...content) {
  const dialog = byId("dialog");
  refill(dialog, 
    h("div", { class: "dialog-head" }, h("h2", { id: "dialog-title" }, title), h("button", { type: "button", class: "quiet", "aria-label": "Close", click: () => dialog.close() }, "✕")),
    ...content);
  dialog.showModal();
  dialog.scrollTop = 0;
}

// The mean of a cell in words.
function cellWords(board, cell) {
  const [mean, low, high, stderr, rank, mark, videos, prompts, reason] = cell;
  if (mean === null) return `No value: ${reason ?? "not measured"}.`;
  const parts = [];
  if (low !== null) parts.push(`95 % interval ${significant(low, 4)} to ${significant(high, 4)}`);
  else if (stderr !== null) parts.push(`± ${significant(stderr, 2)} standard error; too few prompts for an interval`);
  parts.push(`mean over ${plural(videos, "video")} of ${plural(prompts, "prompt")}`);
  if (rank !== null) parts.push(`rank ${rank} in its group`);
  if (mark === 2) parts.push("best in its group");
  if (mark === 1) parts.push("within the noise of the best");
  if (reason) parts.push(`some videos have no value: ${reason}`);
  return `${parts.join("; ")}.`;
}

function versusWords(metric, baseline, versus) {
  const [difference, low, high, stderr, p, holm, effect, wins] = versus;
  const around = low !== null ? `95 % interval ${signed(low, metric.decimals)} to ${signed(high, metric.decimals)}` : `± ${significant(stderr, 2)} standard error`;
  const test = p === null ? "no difference to test" : `signed-rank test p = ${significant(p, 2)}, corrected over the metrics ${significant(holm, 2)}`;
  const size = effect === null ? "" : `, effect size ${significant(effect, 2)}`;
  return `${signed(difference, metric.decimals)} (${around}); ${test}${size}; better in ${Math.round(wins * 100)} % of the pairs.`;
}

async function traceCell(board, row, index) {
  const metric = board.metrics[index];
  const group = board.groups[row.group];
  const cell = row.cells[index];
  const title = `${metric.title}: ${row.method} on ${row.backbone}, ${seconds(group.duration)}`;
  const place = h("div", { class: "busy" }, h("p", { class: "fine" }, "Loading the videos …"));
  const versus = cell[9];
  openDialog(title,
    h("p", { class: "figure" }, h("strong", {}, number(cell[0], metric.decimals)), " ", cellWords(board, cell)),
    versus && h("p", {}, `Against ${group.baseline} on the same prompts and noise: `, versusWords(metric, group.baseline, versus)),
    h("p", { class: "fine" }, `${metric.up ? "Higher" : "Lower"} is better${metric.unit ? `, in ${metric.unit}` : ""}. ${metric.text} Suite ${board.suite} (${board.kind}), version ${board.version}.`),
    place);
  const videos = await load("videos");
  const [b, m] = [site().backbones.indexOf(row.backbone), site().methods.findIndex(({ name }) => name === row.method)];
  const column = videos.values[board.suite][String(group.duration)][metric.name];
  const compared = new Set(videos.pairs[board.suite][row.group].map(String));
  const place_of = 1 + videos.suites.indexOf(board.suite);
  const lines = videos.lines
    .map((line, i) => ({ line, value: column[i], prompt: videos.prompts[line[3]] }))
    .filter(({ line, prompt }) => line[1] === b && line[2] === m && promptSet(prompt[0]) === group.set);
  const counted = ({ line, value }) => row.competes && value !== null && compared.has(String([line[3], line[4]]));
  refill(place, 
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Videos behind the number" }, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Video", "Seed", "Value", "Counted", "Files"].map((text, i) => h("th", { scope: "col", class: i === 2 ? "number" : null }, text)))),
      h("tbody", {}, lines.map((one) => h("tr", {},
        h("th", { scope: "row" }, h("a", { href: href("video", { id: one.line[0] }), click: () => byId("dialog").close() }, one.prompt[0])),
        h("td", {}, one.line[4]),
        h("td", { class: "number" }, one.value === null ? (one.line[5] === "done" ? DASH : one.line[5]) : number(one.value, metric.decimals)),
        h("td", {}, counted(one) ? "yes" : "no"),
        h("td", { class: "links" }, fileLink(one.line[8]?.[place_of], "scores"), " ", fileLink(one.line[8]?.[0], "record"))))))),
    h("h3", {}, "Made by"),
    ...commandsFor(sourceOf(row), row.backbone, row.method).map(({ text }) => commandBlock(text)),
    h("p", { class: "fine" }, "Run in the folder the sweep was started in. ", h("a", { href: href("sources") }, "Versions, revision and all commands")));
}

const fileLink = (address, text) => (address ? h("a", { href: address }, text) : null);
const promptSet = (id) => (id.includes("/") ? id.slice(0, id.lastIndexOf("/")) : "");

// The store whose commands made a row: the first that names it.
function sourceOf(row) {
  const found = site().sources.findIndex(({ commands }) => commands.some(({ rows }) => rows.some(([b, m]) => b === row.backbone && row.method.startsWith(m))));
  return Math.max(0, found);
}
