// Copies of a table as CSV, Markdown and LaTeX: to the clipboard, or as a file where there is none.
const FORMATS = {
  CSV: { ending: "csv", write: (heads, lines) => [heads, ...lines].map((line) => line.map(csvCell).join(",")).join("\n") },
  Markdown: { ending: "md", write: (heads, lines) => [heads, heads.map(() => "---"), ...lines].map((line) => `| ${line.map((text) => text.replace(/[\\`*_{}[\]<>#|~]/g, "\\$&")).join(" | ")} |`).join("\n") },
  LaTeX: { ending: "tex", write: (heads, lines) => [`\\begin{tabular}{${"l".repeat(heads.length)}}`, "\\toprule", latexLine(heads), "\\midrule", ...lines.map(latexLine), "\\bottomrule", "\\end{tabular}"].join("\n") },
};

// A spreadsheet must not run a text as a formula; see reports/tables/spreadsheet.py.
function csvCell(text) {
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const LATEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "|": "\\textbar{}", '"': "\\textquotedbl{}", "[": "{[}", "]": "{]}", "<": "\\textless{}", ">": "\\textgreater{}", "–": "--", "−": "$-$", "±": "$\\pm$", "↑": "$\\uparrow$", "↓": "$\\downarrow$", "†": "$^\\dagger$" };
const latexLine = (line) => `${line.map((text) => text.replace(/[\\~^|"[\]<>–−±↑↓†&%$#_{}]/g, (one) => LATEX[one] ?? `\\${one}`)).join(" & ")} \\\\`;

// The words of a node as read on the page, on one line, without what only readers of screens hear.
function wordsOf(node) {
  if (node === null || node === undefined) return "";
  if (!(node instanceof Element)) return String(node.textContent ?? node);
  if (node.matches(".unseen, .copying, svg, input")) return "";
  return [...node.childNodes].map(wordsOf).join(node.matches("div, ul, th, td, button, span.badges") ? " " : "").replace(/\s+/g, " ").trim();
}

// Heads and lines of a table that is written out on the page.
function plainCells(table) {
  const texts = (row) => [...row.cells].map(wordsOf);
  return [texts(table.tHead.rows[table.tHead.rows.length - 1]), [...table.tBodies[0].rows].map(texts)];
}

// Copies a text, or saves it as a file called `name`; returns what was done.
async function copyText(text, name) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    // Pages from another machine without https have no clipboard.
    const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    h("a", { href: address, download: name }).click();
    URL.revokeObjectURL(address);
    return "Saved as a file";
  }
}

// The line of buttons below a table; `cells(format)` gives its heads and its lines of texts.
function copyLine(label, cells) {
  const said = h("span", { role: "status" });
  const copy = async (format) => {
    const { ending, write } = FORMATS[format];
    const text = `${write(...cells(format))}\n`;
    said.textContent = `${await copyText(text, `${label.replace(/[^\w-]+/g, "_")}.${ending}`)}.`;
    setTimeout(() => (said.textContent = ""), 2500);
  };
  return h("p", { class: "copying" }, "Copy as ", Object.keys(FORMATS).map((format) => h("button", { type: "button", class: "quiet", "aria-label": `Copy ${label} as ${format}`, click: () => copy(format) }, format)), said);
}

// A table that scrolls sideways where it must, with its copies below.
function tableBox(label, table) {
  return h("div", {}, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table), copyLine(label, () => plainCells(table)));
}
