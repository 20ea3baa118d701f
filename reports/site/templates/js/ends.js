// The end of each row's videos against their beginning, under the drift curves.
async function fillEnds(place, board, metric) {
  const rows = (await load("ends"))[board.suite]?.[metric.name] ?? [];
  if (!rows.length) {
    refill(place);
    return;
  }
  const better = (row) => (row.change === 0 || row.change === null ? "" : row.change > 0 === metric.higher_is_better ? "better" : "worse");
  refill(place, h("h3", {}, `First and last ${seconds(rows[0].seconds)}`),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "First and last seconds" }, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Method", "Backbone", "First", "Last", "Change", "Last, like the first clip", "Back at the first frame"].map((text, i) => h("th", { scope: "col", class: i > 1 ? "number" : null }, text)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, swatch(row.method), ` ${row.method}`), h("td", {}, row.backbone),
        h("td", { class: "number" }, significant(row.first, 4)), h("td", { class: "number" }, significant(row.last, 4)),
        h("td", { class: `number ${better(row)}` }, `${row.change > 0 ? "+" : ""}${significant(row.change, 3)}${row.change_stderr === null ? "" : ` ± ${significant(row.change_stderr, 2)}`}`),
        h("td", { class: "number" }, number(row.last_similarity, 3)), h("td", { class: "number" }, `${row.num_looping} of ${row.num_videos}`)))))),
    h("p", { class: "fine" }, "Means of the clips whose middle lies in these seconds. The similarity is that of the metric's own features. A video is back at its first frame if the picture, once it had left, is nearly the first one again, as after the collapse of a sink."));
}
