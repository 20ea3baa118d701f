// What changed between the first store and each other one.
async function differencesPage(page) {
  add(page, h("h1", { tabindex: "-1" }, "Differences"));
  const found = await load("differences");
  if (!found.length) {
    add(page, h("p", { class: "note" }, "This report is of one store. Build it from two to see what changed: python -m harness report sweep=runs/before sweep=runs/after"));
    return null;
  }
  add(page, ...found.map((one) => h("section", {}, h("h2", {}, `${one.before} → ${one.after}`),
    h("h3", {}, "Settings"),
    one.settings.length ? changeTable(["Setting", one.before, one.after], one.settings) : h("p", { class: "fine" }, "The same revision, versions and devices."),
    rowList(`Only in ${one.before}`, one.only_before), rowList(`Only in ${one.after}`, one.only_after),
    one.rows.map(rowChanges))));
  return null;
}

const rowList = (title, rows) => (rows.length ? h("div", {}, h("h3", {}, title), h("ul", { class: "list" }, rows.map(([backbone, method]) => h("li", {}, `${method} on ${backbone}`)))) : null);

function changeTable(heads, lines) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": heads[0] }, h("table", { class: "plain" },
    h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, lines.map(([name, ...cells]) => h("tr", {}, h("th", { scope: "row" }, name), cells.map((cell) => h("td", { class: "wrap" }, cell)))))));
}

function rowChanges(row) {
  const moved = row.metrics.filter(({ difference }) => difference !== 0);
  const sure = ({ interval: [low, high] }) => low !== null && (low > 0 || high < 0);
  return h("section", { class: "flush" },
    h("h3", {}, swatch(row.method), ` ${row.method} on ${row.backbone}`),
    h("p", { class: "fine" }, row.shared ? `${row.equal} of ${plural(row.shared, "shared video")} ${row.equal === 1 ? "has" : "have"} the same bytes.` : "No prompt and seed is finished in both."),
    row.arguments.length ? changeTable(["Argument", "Before", "After"], row.arguments) : null,
    moved.length ? h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Changed numbers of ${row.method}` }, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Metric", "Length", "Difference", "95 % interval", "p", "Videos"].map((text, i) => h("th", { scope: "col", class: i ? "number" : null }, text)))),
      h("tbody", {}, moved.map((metric) => h("tr", { class: sure(metric) ? "sure" : null },
        h("th", { scope: "row" }, `${metric.title} ${metric.up ? "↑" : "↓"}`), h("td", { class: "number" }, seconds(metric.duration)),
        h("td", { class: `number ${metric.difference > 0 === metric.up ? "better" : "worse"}` }, `${metric.difference > 0 ? "+" : ""}${significant(metric.difference, 3)}`),
        h("td", { class: "number" }, metric.interval[0] === null ? "too few prompts" : metric.interval.map((end) => significant(end, 3)).join(" to ")),
        h("td", { class: "number" }, metric.p === null ? DASH : significant(metric.p, 2)), h("td", { class: "number" }, metric.videos)))))) : row.shared ? h("p", {}, "All numbers are the same.") : null);
}
