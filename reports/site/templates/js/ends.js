// The end of each row's videos against their beginning, under the drift curves.
async function fillEnds(place, metric) {
  const rows = (await load("ends"))[metric.suite]?.[metric.name] ?? [];
  if (!rows.length) {
    refill(place);
    return;
  }
  const text = (value) => number(value, metric.decimals);
  refill(place, h("h3", {}, `First and last ${seconds(rows[0].seconds)}`),
    tableBox("First and last seconds", h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Method", "Backbone", "First", "Last", "Change", "Last, like the first clip", "Back at the first frame"].map((text, i) => h("th", { scope: "col", class: i > 1 ? "number" : null }, text)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, swatch(row.method), ` ${row.method}`), h("td", {}, row.backbone),
        h("td", { class: "number" }, text(row.first)), h("td", { class: "number" }, text(row.last)),
        h("td", { class: "number" }, row.change === null ? DASH : withError(signed(row.change, metric.decimals), null, around(null, null, row.change_stderr, metric.decimals))),
        h("td", { class: "number" }, number(row.last_similarity, 3)), h("td", { class: "number" }, row.num_looping === null ? DASH : `${row.num_looping} of ${row.num_looping_of}`)))))),
    h("p", { class: "fine" }, "Means of the clips whose middle lies in these seconds. The similarity is that of the metric's own features. A video is back at its first frame if the picture, once it had left, is nearly the first one again, as after the collapse of a sink."));
}
