// The methods, and one method: its definition, arguments, results everywhere, and cost.
function methodsPage(page, params) {
  const name = params.get("name");
  if (site().methods.some((method) => method.name === name)) return methodPage(page, name);
  add(page, h("h1", { tabindex: "-1" }, "Methods"), name ? h("p", { class: "note" }, `No method is called ${JSON.stringify(name)}.`) : null,
    h("ul", { class: "method-list" }, site().methods.map((method) => {
      const facts = site().rows.find((row) => row.method === method.name) ?? {};
      return h("li", {}, h("a", { href: href("methods", { name: method.name }) }, swatch(method.name), method.name), h("p", {}, methodSentence(method.name) ?? "No finished video yet."), badges(facts));
    })));
  return null;
}

// A docstring without the marks of code in it, and its first paragraph on one line.
const withoutMarks = (text) => text.replaceAll("`", "");
const firstParagraph = (text) => (text ? withoutMarks(text.split(/\n\s*\n/)[0]).replace(/\s+/g, " ") : null);
const OFF = ["None", "none", "False", ""]; // values of arguments that are not in use

// What a method does, and the arguments in which it differs from others of its class; all if it does in none.
function methodSentence(name) {
  const facts = site().rows.find((row) => row.method === name && row.method_plugin);
  if (!facts) return null;
  const others = site().rows.filter((row) => row.method_plugin === facts.method_plugin).map((row) => row.method_args);
  const known = Object.entries(facts.method_args).filter(([argument]) => argument !== "label");
  const own = known.filter(([argument, value]) => others.some((args) => args[argument] !== value));
  const words = (own.length ? own : known).filter(([, value]) => !OFF.includes(String(value))).map(([argument, value]) => `${argument.replaceAll("_", " ")} ${value}`).join(", ");
  return [firstParagraph(facts.definition) ?? `Plug-in ${facts.method_plugin}.`, words && `Here: ${words}.`].filter(Boolean).join(" ");
}

function methodPage(page, name) {
  const rows = site().rows.filter((row) => row.method === name);
  const first = rows.find((row) => row.method_plugin) ?? rows[0];
  add(page,
    h("p", { class: "crumb" }, h("a", { href: href("methods") }, "Methods")),
    h("h1", { tabindex: "-1" }, swatch(name), " ", name),
    badges(first),
    first.definition ? h("pre", { class: "definition" }, withoutMarks(first.definition)) : h("p", { class: "fine" }, "Its class is not installed where this report was made, so there is no definition to show."),
    first.method_plugin ? h("p", { class: "fine" }, "Plug-in ", h("code", {}, first.method_plugin), ". The definition is the docstring of the installed code.") : null,
    h("h2", {}, "Arguments"), argumentTable(rows, (row) => row.method_args, "Arguments"),
    site().boards.map((board) => h("section", { class: "flush" }, h("h2", {}, "Results ", kindBadge(board.kind)), resultTable(board, name))),
    site().boards.map((board) => board.durations_s.map((length) => {
      const panels = h("div", { class: "panels" });
      whenNear(panels, () => costPanels(panels, board, length, name));
      return h("section", { class: "flush" }, h("h2", {}, `Cost against quality, ${seconds(length)} `, kindBadge(board.kind)), panels);
    })),
    h("h2", {}, "Backbones"), argumentTable(rows, (row) => row.backbone_args, "Arguments of the backbones"));
  return null;
}

// A line per argument, and a column per row that differs.
function argumentTable(rows, argsOf, label) {
  const known = rows.filter((row) => Object.keys(argsOf(row)).length);
  if (!known.length) return h("p", { class: "fine" }, "None recorded.");
  const names = [...new Set(known.flatMap((row) => Object.keys(argsOf(row))))];
  const same = known.every((row) => JSON.stringify(argsOf(row)) === JSON.stringify(argsOf(known[0])));
  const columns = same ? [["Value", argsOf(known[0])]] : known.map((row) => [row.backbone, argsOf(row)]);
  return tableBox(label, h("table", { class: "plain" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Argument"), columns.map(([title]) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, names.map((name) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, name)), columns.map(([, args]) => h("td", { class: "wrap" }, args[name] ?? DASH)))))));
}

function resultTable(board, name) {
  const rows = board.rows.filter((row) => row.method === name);
  const state = { mode: "values", row: [], sort: "", order: "", d: "", b: "", q: "" };
  const { table } = new Board({ ...board, rows }, state, () => {});
  table.setRows(rows);
  return table.node;
}
