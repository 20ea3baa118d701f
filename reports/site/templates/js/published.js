// Numbers that others published: how far they lie apart, and their tables. Never ranked.
const CLIP_WORDS = { vbench_long: "clips of 2 s, as VBench-Long", whole_video: "the whole video as one clip", other: "not by VBench", not_stated: "clips not stated" };

function quotedTables(tables, found) {
  const protocols = [...new Set(tables.map(({ protocol }) => protocol.clips))];
  return h("div", {}, h("div", { class: "board-head" }, kindBadge("quoted"), h("p", { class: "fine" }, "Numbers that others published. They were made with other prompts, seeds and machines, so they have no rank here and are in no table with numbers measured here.")),
    found.length ? h("section", { class: "quoted" }, h("h3", {}, "One model, several papers"),
      h("p", { class: "fine" }, "Dots are published numbers of the same model, in percent; rows that a paper copied from another one are left out. The bar is the 95 % interval of the same model measured here, on its own prompts and seeds."),
      found.map(spreadTable)) : null,
    protocols.map((clips) => h("section", { class: "quoted" }, h("h3", {}, `Tables: ${CLIP_WORDS[clips]}`),
      tables.filter(({ protocol }) => protocol.clips === clips).map(quotedTable))));
}

function spreadTable(spread) {
  const title = `${spread.backbone}, ${spread.method}, ${seconds(spread.duration_s)}: ${CLIP_WORDS[spread.clips]}`;
  return h("figure", {}, h("figcaption", {}, title),
    tableBox(title, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Dimension", "Published", "Lowest to highest", "Apart", "Papers", "Measured here"].map((text, i) => h("th", { scope: "col", class: i > 1 ? "number" : null }, text)))),
      h("tbody", {}, spread.metrics.map((metric) => {
        const [low, high] = [metric.reported[0].value, metric.reported.at(-1).value];
        return h("tr", {}, h("th", { scope: "row" }, metric.title), h("td", {}, spreadStrip(metric)),
          h("td", { class: "number" }, low === high ? number(low, 2) : `${number(low, 2)} to ${number(high, 2)}`), h("td", { class: "number" }, metric.reported.length > 1 ? number(high - low, 2) : DASH),
          h("td", { class: "number" }, metric.reported.length), h("td", { class: "number" }, metric.measured.map(measuredWords).join("; ") || DASH));
      })))));
}

const measuredWords = (one) => `${number(one.value, 2)}${one.low === null ? "" : ` (${number(one.low, 2)} to ${number(one.high, 2)})`} ${one.row}, ${plural(one.num_prompts, "prompt")}`;

// Dots on a common scale of at least two percent, so that small spreads look small.
function spreadStrip(metric) {
  const ends = [...metric.reported.map(({ value }) => value), ...metric.measured.flatMap(({ value, low, high }) => [low ?? value, high ?? value])];
  const middle = (Math.min(...ends) + Math.max(...ends)) / 2;
  const span = Math.max(2, Math.max(...ends) - Math.min(...ends)) * 1.1;
  const at = (value) => 100 + 190 * (value - middle) / span;
  const words = metric.reported.map(({ table, value }) => `${table}: ${number(value, 2)}`).join("; ");
  return svg("svg", { viewBox: "0 0 200 20", class: "spread", role: "img", "aria-label": words, "data-tip": words, tabindex: "0" },
    svg("line", { x1: 0, x2: 200, y1: 10, y2: 10, class: "axis" }),
    metric.measured.map(({ value, low, high }) => [svg("line", { x1: at(low ?? value), x2: at(high ?? value), y1: 10, y2: 10, class: "own" }), svg("line", { x1: at(value), x2: at(value), y1: 3, y2: 17, class: "own thin" })]),
    metric.reported.map(({ value }) => svg("circle", { cx: at(value), cy: 10, r: 4 })));
}

// Most decimals printed in a column: 98.20 arrives as 98.2.
const printedDecimals = (table, name) => Math.max(...table.rows.map(({ values }) => String(values[name] ?? "").split(".")[1]?.length ?? 0));

function quotedTable(table) {
  const { prompts, seeds, note } = table.protocol;
  return h("section", { class: "flush" }, h("h4", {}, table.title),
    h("p", {}, "Source: ", table.link ? h("a", { href: table.link, rel: "noreferrer noopener" }, table.source) : table.source, table.table === "not stated" ? "" : `, ${table.table}`, table.hand === "second" ? "; second hand, the publication was not read" : "", ". ",
      `Prompts: ${prompts}. Seeds: ${seeds}. Measured on ${CLIP_WORDS[table.protocol.clips]}.`, note ? ` ${note}` : ""),
    tableBox(table.title, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Backbone", "Method", "Length", ...table.columns.map(({ title }) => title)].map((text, i) => h("th", { scope: "col", class: i > 1 ? "number" : null }, text)), h("th", { scope: "col" }, "Note"))),
      h("tbody", {}, table.rows.map((row) => h("tr", {}, h("th", { scope: "row" }, row.backbone), h("td", {}, row.method), h("td", { class: "number" }, row.duration_s === null ? DASH : seconds(row.duration_s)),
        table.columns.map(({ name }) => h("td", { class: "number" }, number(row.values[name], printedDecimals(table, name)))), h("td", {}, rowNote(row))))))),
    h("p", { class: "fine" }, `From ${table.file}`));
}

function rowNote(row) {
  const title = (id) => site().quoted.find((table) => table.id === id)?.title ?? id;
  const copied = row.copied_from && `copied from ${title(row.copied_from)}${row.swapped.length ? `, with ${row.swapped.map((name) => name.replaceAll("_", " ")).join(" and ")} exchanged` : ""}`;
  return [row.note, copied].filter(Boolean).join("; ");
}
