// Differences between the first store and each other one.
async function differencesPage(page) {
  add(page, h("h1", { tabindex: "-1" }, "Differences"));
  const found = await load("differences");
  if (!found.length) {
    add(page, h("p", { class: "note" }, "This report covers one store. Build it from two to see what changed: python -m harness report sweep=runs/before sweep=runs/after"));
    return null;
  }
  add(page, ...found.map((pair) => h("section", {}, h("h2", {}, `${pair.before} → ${pair.after}`),
    h("h3", {}, "Settings"),
    pair.settings.length ? changeTable("Setting", pair.before, pair.after, pair.settings) : h("p", { class: "fine" }, "The same revision, versions and devices."),
    rowList(`Only in ${pair.before}`, pair.only_before), rowList(`Only in ${pair.after}`, pair.only_after),
    pair.rows.map(rowChanges))));
  return null;
}

const rowList = (title, rows) => (rows.length ? h("div", {}, h("h3", {}, title), h("ul", { class: "list" }, rows.map(({ backbone, method }) => h("li", {}, `${method} on ${backbone}`)))) : null);

function changeTable(title, before, after, changes) {
  return tableBox(title, h("table", { class: "plain" },
    h("thead", {}, h("tr", {}, [title, before, after].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, changes.map((change) => h("tr", {}, h("th", { scope: "row" }, change.name), h("td", { class: "wrap" }, change.before), h("td", { class: "wrap" }, change.after))))));
}

function rowChanges(row) {
  const moved = row.metrics.filter(({ difference }) => difference !== 0);
  const side = ({ p, quality, difference, higher_is_better: higher }) => (marksOf(p) === "" ? null : !quality ? "sure" : difference > 0 === higher ? "sure better" : "sure worse");
  return h("section", { class: "flush" },
    h("h3", {}, swatch(row.method), ` ${row.method} on ${row.backbone}`),
    h("p", { class: "fine" }, row.num_shared ? `${row.num_equal} of ${plural(row.num_shared, "shared video")} ${row.num_equal === 1 ? "has" : "have"} the same bytes.` : "No prompt and seed is finished in both."),
    row.arguments.length ? changeTable("Argument", "Before", "After", row.arguments) : null,
    moved.length ? tableBox(`Changed numbers of ${row.method} on ${row.backbone}`, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Metric", "Length", "Difference", "95 % interval", "p, corrected", "Videos"].map((text, i) => h("th", { scope: "col", class: i ? "number" : null }, text)))),
      h("tbody", {}, moved.map((metric) => h("tr", { class: side(metric) },
        h("th", { scope: "row" }, metricTitle(metric)), h("td", { class: "number" }, seconds(metric.duration_s)),
        h("td", { class: "number" }, `${signed(metric.difference, metric.decimals)} ${marksOf(metric.p)}`),
        h("td", { class: "number" }, metric.low === null ? metric.no_interval : around(metric.low, metric.high, null, metric.decimals)),
        h("td", { class: "number" }, significant(metric.p, 2)), h("td", { class: "number" }, metric.num_videos)))))) : row.num_shared ? h("p", {}, "All numbers are the same.") : null);
}
