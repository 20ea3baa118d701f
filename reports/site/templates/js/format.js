// How numbers and names are written, and the small pieces that stand for rows.
const DASH = "–";
const MINUS = "−";

function number(value, decimals) {
  if (value === null || value === undefined) return DASH;
  return value.toFixed(decimals).replace("-", MINUS);
}

function signed(value, decimals) {
  const text = number(value, decimals);
  return value > 0 ? `+${text}` : text;
}

function significant(value, digits = 3) {
  if (value === null || value === undefined) return DASH;
  if (value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-4)) return value.toExponential(digits - 1).replace("-", MINUS);
  return String(Number(value.toPrecision(digits))).replace("-", MINUS);
}

const seconds = (value) => `${Number(value)} s`;
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

// What a reader must know of a row before believing its numbers: [text, explanation].
function badgesOf(facts) {
  const badges = [];
  if (facts.imported) badges.push(["imported", "These videos were made elsewhere and scored here.", "strong"]);
  if (facts.weights === "random") badges.push(["random weights", "Seeded random weights: for tests of the machinery, not of the model.", "strong"]);
  if (facts.weights === "own") badges.push(["own weights", "Other files in place of the published weights.", "strong"]);
  if (facts.budget) badges.push([`budget ${facts.budget}`, `Context budget: attention sees at most ${facts.budget} latent frames, the block being made included.`]);
  if (facts.rope) badges.push([`RoPE ${facts.rope}`, facts.rope === "relative" ? "Temporal positions count within the window." : "Temporal positions count from the start of the video."]);
  if (facts.trained) badges.push([`trained ${facts.trained}`, `Trained on rollouts of ${facts.trained} latent frames.`]);
  if (facts.official === true) badges.push(["official setting", "The setting of the backbone's authors with their own window, not the equal context budget."]);
  if (facts.long === false) badges.push(["no long setting", "Its authors have no setting for videos longer than its training clips."]);
  return badges;
}

function badges(facts) {
  return h("span", { class: "badges" }, badgesOf(facts).map(([text, tip, kind]) =>
    h("span", { class: `badge ${kind ?? ""}`, "data-tip": tip, tabindex: "0" }, text)));
}

function copyButton(text) {
  const button = h("button", { type: "button", class: "quiet copy", click: async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  } }, "Copy");
  return button;
}

const commandBlock = (text) => h("div", { class: "command" }, h("pre", { tabindex: "0", "aria-label": "Command" }, h("code", {}, text)), copyButton(text));

// The commands of a store that asked for a row; all of them when the header does not say.
function commandsFor(source, backbone, method) {
  const { commands } = site().sources[source];
  const plain = method.replace(/ @[^@]*$/, "");
  const fitting = commands.filter(({ rows }) => rows.some(([b, m]) => b === backbone && (m === method || m === plain)));
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
