// The side-by-side part: one card per backbone and method for the chosen prompt and seed.
const data = JSON.parse(document.getElementById("viewer-data").textContent);
const byId = (id) => document.getElementById(id);
const [play, scrub, clock, cards, chart] = ["play", "scrub", "clock", "cards", "chart"].map(byId);
let shown = []; // {unit, value, canvas, memory} of each finished card
let moveCursor = () => {};

const player = new Player(showTime, (playing) => {
  play.textContent = playing ? "Pause" : "Play";
  play.setAttribute("aria-pressed", playing);
});

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function fill(select, options) {
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
}

const prompt = () => data.prompts[byId("prompt").value];
const metric = () => data.metrics[byId("metric").value];
const seconds = () => Math.max(0.001, ...shown.map(({ unit }) => unit.seconds));
const stroke = (unit) => ({
  colour: data.methods[unit.method].colour,
  dash: DASHES[data.backbones.indexOf(unit.backbone) % DASHES.length],
});

function heading(unit) {
  const { colour, dash } = stroke(unit);
  const swatch = svg("svg", { viewBox: "0 0 28 4", class: "swatch", "aria-hidden": "true" });
  svg("line", { x1: 0, x2: 28, y1: 2, y2: 2, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash }, swatch);
  return element("h4", {}, swatch, unit.method, element("span", {}, unit.backbone));
}

function card(unit) {
  if (unit.status !== "done") {
    const reason = element("p", { class: "absent" }, `No video (${unit.status}): ${unit.reason}`);
    return element("article", { class: "card" }, heading(unit), reason);
  }
  const video = element("video", { src: unit.video, preload: "metadata", playsinline: "", "aria-label": `${unit.method} on ${unit.backbone}` });
  video.muted = true;
  video.addEventListener("error", () => {
    const text = `Cannot play ${unit.video}: moved or not written yet.`;
    video.replaceWith(element("p", { class: "absent" }, text));
  });
  const value = element("output", {});
  const record = element("a", { href: unit.record, "aria-label": `Record of ${unit.method} on ${unit.backbone}` }, "record");
  const body = [heading(unit), video, element("p", { class: "value" }, value, record)];
  const entry = { unit, value, canvas: null, memory: null, video };
  if (unit.retrievals.length) {
    entry.canvas = element("canvas", { role: "img", "aria-label": `Retrieved frames over time, ${unit.method} on ${unit.backbone}` });
    entry.memory = element("p", { class: "fine memory" });
    body.push(entry.canvas, entry.memory);
  }
  shown.push(entry);
  const node = element("article", { class: "card" }, ...body);
  const label = `${unit.method} on ${unit.backbone}`;
  node.addEventListener("mouseenter", () => highlight(label));
  node.addEventListener("mouseleave", () => highlight(null));
  return node;
}

function highlight(label) {
  for (const curve of chart.querySelectorAll(".curve")) {
    curve.classList.toggle("faded", label !== null && curve.dataset.label !== label);
  }
}

function showCards() {
  const chosen = byId("viewer-backbone").value;
  const of_seed = prompt().seeds.find(({ seed }) => String(seed) === byId("seed").value);
  const units = of_seed.units.filter((unit) => !chosen || unit.backbone === chosen);
  shown = [];
  byId("prompt-text").textContent = prompt().text;
  cards.replaceChildren(...units.map(card));
  scrub.max = seconds();
  const range = scoreRange(shown.map(({ unit }) => unit));
  byId("ramp-note").hidden = !shown.some(({ canvas }) => canvas);
  byId("ramp-low").textContent = range ? range[0].toFixed(2) : "";
  byId("ramp-high").textContent = range ? range[1].toFixed(2) : "not given";
  player.load(shown.map(({ video }) => video));
  showChart();
}

function showChart() {
  const lines = shown.map(({ unit }) => ({
    label: `${unit.method} on ${unit.backbone}`,
    clips: unit.curves[metric()?.key] ?? [],
    ...stroke(unit),
  }));
  moveCursor = drawChart(chart, lines, seconds(), metric()?.title ?? "any metric", (time) => player.seek(time));
  showTime(player.time);
}

function showTime(time) {
  const range = scoreRange(shown.map(({ unit }) => unit));
  const text = `${time.toFixed(1)} / ${seconds().toFixed(1)} s`;
  scrub.value = time;
  scrub.setAttribute("aria-valuetext", text);
  clock.textContent = text;
  moveCursor(time);
  for (const { unit, value, canvas, memory } of shown) {
    const now = valueAt(unit.curves[metric()?.key] ?? [], time);
    value.textContent = now === null ? "–" : now.toPrecision(4);
    if (!canvas) continue;
    drawRetrievals(canvas, unit, range, seconds(), time);
    const block = blockAt(unit.retrievals, time);
    const frames = block?.frames.map((second) => `${second.toFixed(1)} s`).join(", ");
    memory.textContent = frames ? `retrieved: ${frames}` : "nothing retrieved yet";
  }
}

function showSeeds() {
  fill(byId("seed"), prompt().seeds.map(({ seed }) => [seed, seed]));
  showCards();
}

const many = new Set(data.metrics.map(({ suite }) => suite)).size > 1;
fill(byId("metric"), data.metrics.map(({ suite, title }, i) => [i, many ? `${suite}: ${title}` : title]));
fill(byId("prompt"), data.prompts.map(({ id, text }, i) => [i, `${id}: ${text}`]));
byId("prompt").addEventListener("change", showSeeds);
byId("seed").addEventListener("change", showCards);
byId("viewer-backbone").addEventListener("change", showCards);
byId("metric").addEventListener("change", showChart);
play.addEventListener("click", () => (player.playing ? player.pause() : player.play()));
scrub.addEventListener("input", () => player.seek(Number(scrub.value)));
new ResizeObserver(showChart).observe(chart);
showSeeds();
