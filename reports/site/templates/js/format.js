// Numbers and names as text (numbers as reports/tables/formatting.py writes them), and the small pieces that stand for rows.
const DASH = "–";
const MINUS = "−";

function number(value, decimals) {
  if (value === null || value === undefined) return DASH;
  const text = value.toFixed(decimals);
  return text.replace("-", Number(text) ? MINUS : "");
}

function signed(value, decimals) {
  const text = number(value, decimals);
  return value > 0 && Number(text) ? `+${text}` : text;
}

// The interval of a number, or else its standard error; null without both.
function around(low, high, stderr, decimals) {
  if (low !== null) return `${number(low, decimals)} to ${number(high, decimals)}`;
  return stderr === null ? null : `± ${number(stderr, decimals)}`;
}

// A number with its interval in brackets, or with its standard error.
function withError(text, low, beside) {
  if (beside === null) return text;
  return low === null ? `${text} ${beside}` : `${text} (${beside})`;
}

function significant(value, digits = 3) {
  if (value === null || value === undefined) return DASH;
  if (value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-4)) return value.toExponential(digits - 1).replace("-", MINUS);
  return String(Number(value.toPrecision(digits))).replace("-", MINUS);
}

const seconds = (value) => (value === "whole" ? "whole length" : `${Number(value)} s`);
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

function duration(total) {
  if (total < 120) return `${Math.round(total)} s`;
  if (total < 7200) return `${Math.round(total / 60)} min`;
  return `${(total / 3600).toFixed(1)} h`;
}

const methodOf = (name) => site().methods.find((method) => method.name === name) ?? { name, colour: "#888", line: "solid" };
const DASHES = { solid: "", dashed: "7 4", dotted: "2 3", dashdot: "9 3 2 3" };
const BACKBONE_DASHES = ["", "7 4", "2 3", "9 3 2 3"];
const backboneDash = (name) => BACKBONE_DASHES[Math.max(0, site().backbones.indexOf(name)) % BACKBONE_DASHES.length];
const factsOf = (backbone, method) => site().rows.find((row) => row.backbone === backbone && row.method === method) ?? {};

// A row of the leaderboard by the name it has in addresses.
const rowName = ({ backbone, method }) => `${backbone}|${method}`;
const rowOf = (name) => site().rows.find((row) => rowName(row) === name) ?? { backbone: name, method: "?" };
const rowTitle = (name) => `${rowOf(name).method} on ${rowOf(name).backbone}`;

function swatch(method, dash = "") {
  const { colour, line } = methodOf(method);
  return svg("svg", { viewBox: "0 0 22 6", class: "swatch", "aria-hidden": "true" },
    svg("line", { x1: 0, x2: 22, y1: 3, y2: 3, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash || DASHES[line] }));
}

// Facts that readers need before they trust the numbers of a row: [text, explanation, class].
function badgesOf(facts) {
  const badges = [];
  if (facts.imported) badges.push(["imported", "Made by other software, scored here.", "strong"]);
  if (facts.weights === "random") badges.push(["random weights", "Seeded random weights: they test the software, not the model.", "strong"]);
  if (facts.weights === "own") badges.push(["own weights", "Other weights than the published ones.", "strong"]);
  if (facts.budget_latents) badges.push([`budget ${facts.budget_latents}`, `Context budget: attention sees at most ${facts.budget_latents} latent frames, including the current block.`]);
  if (facts.rope) badges.push([`RoPE ${facts.rope}`, facts.rope === "relative" ? "Temporal positions count within the window." : "Temporal positions count from the start of the video."]);
  if (facts.trained_latents) badges.push([`trained ${facts.trained_latents}`, `Trained on rollouts of ${facts.trained_latents} latent frames.`]);
  if (facts.official_setting === true) badges.push(["official setting", "The setting of the backbone's authors with their own window instead of the common context budget."]);
  if (facts.long_setting === false) badges.push(["no long setting", "Its authors have no setting for videos longer than its training clips."]);
  return badges;
}

function badges(facts) {
  return h("span", { class: "badges" }, badgesOf(facts).map(([text, tip, kind]) =>
    h("span", { class: `badge ${kind ?? ""}`, "data-tip": tip, tabindex: "0" }, text)));
}

function copyButton(text) {
  const button = h("button", { type: "button", class: "quiet copy", click: async () => {
    button.textContent = await copyText(text, "command.txt");
    setTimeout(() => (button.textContent = "Copy"), 1500);
  } }, "Copy");
  return button;
}

const commandBlock = (text) => h("div", { class: "command" }, h("pre", { tabindex: "0", "aria-label": "Command" }, h("code", {}, text)), copyButton(text));

// The commands of a store that asked for a row; all of them if none names it.
function commandsFor(source, backbone, method) {
  const { commands } = site().sources[source];
  const plain = method.replace(/ @[^@]*$/, ""); // merging marks a label that two stores use differently
  const fitting = commands.filter(({ rows }) => rows.some((row) => row.backbone === backbone && (row.method === method || row.method === plain)));
  return fitting.length ? fitting : commands;
}

function select(label, options, chosen, change, attributes = {}) {
  const list = h("select", { change: () => change(list.value), ...attributes }, options.map(([value, text]) => h("option", { value, selected: String(value) === String(chosen) }, text)));
  return h("label", { class: "field" }, h("span", {}, label), list);
}

function segmented(label, options, chosen, change) {
  const name = `choice-${label.replace(/\W+/g, "-")}`;
  return h("fieldset", { class: "segmented" }, h("legend", {}, label), options.map(([value, text]) =>
    h("label", {}, h("input", { type: "radio", name, value, checked: String(value) === String(chosen), change: () => change(value) }), h("span", {}, text))));
}
