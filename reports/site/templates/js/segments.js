// Means by segment, for videos whose prompt changes.
async function fillSegments(place, metric) {
  const lines = (await load("segments"))[metric.suite]?.[metric.name] ?? [];
  if (!lines.length) {
    refill(place);
    return;
  }
  refill(place, h("h3", {}, "By segment of the script"), segmentTable(lines, metric.title, metric.decimals),
    h("p", { class: "fine" }, "Mean over the clips whose middle lies in a segment; the prompt of each clip is that of its segment. A metric of switches has the number of the switch that begins the segment."));
}

function segmentTable(lines, title, decimals) {
  const longest = lines.reduce((most, { cells }) => (cells.length > most.length ? cells : most), []);
  const numbers = [...new Set(lines.flatMap(({ cells }) => cells.map(({ segment }) => segment)))].sort((a, b) => a - b);
  const starts = new Map([...longest, ...lines.flatMap(({ cells }) => cells)].map(({ segment, start_s }) => [segment, start_s]));
  const cellOf = (line, number_) => line.cells.find(({ segment }) => segment === number_);
  const text = (cell) => (cell ? withError(number(cell.mean, decimals), null, around(null, null, cell.stderr, decimals)) : DASH);
  return tableBox(`${title} by segment`, h("table", { class: "plain" },
    h("thead", {}, h("tr", {}, ["Method", "Backbone"].map((name) => h("th", { scope: "col" }, name)),
      numbers.map((one) => h("th", { scope: "col", class: "number" }, `From ${seconds(starts.get(one))}`)))),
    h("tbody", {}, lines.map((line) => h("tr", {}, h("th", { scope: "row" }, swatch(line.method), ` ${line.method}`), h("td", {}, line.backbone),
      numbers.map((one) => h("td", { class: "number" }, text(cellOf(line, one)))))))));
}

const TRIPLE = [["quality", "Quality"], ["consistency", "Consistency"], ["aesthetic", "Aesthetic"]];

function tripleSection(board) {
  const place = h("div", {});
  const section = h("section", {}, place);
  whenNear(section, async () => {
    const found = (await load("segments"))[board.suite] ?? {};
    const shown = TRIPLE.filter(([name]) => found[name]);
    if (!shown.length) return;
    section.setAttribute("aria-labelledby", "triple-title");
    refill(place, h("h2", { id: "triple-title" }, "Quality, consistency and aesthetic by segment"),
      shown.map(([name, title]) => h("figure", {}, h("figcaption", {}, title), segmentTable(found[name], title, 4))),
      h("p", { class: "fine" }, "Quality: VBench's quality score of the segment's clips. Consistency: mean of subject and background consistency, within clips. Aesthetic: aesthetic quality alone."));
  });
  return section;
}
