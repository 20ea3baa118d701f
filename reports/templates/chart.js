// The chosen metric of the shown videos over time, as SVG with a cursor.
const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
const MARGIN = { top: 10, right: 12, bottom: 26, left: 58 };

function svg(name, attributes, parent) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
}

// About `count` round values that lie in [low, high].
function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
  const values = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) values.push(i * step);
  return { values, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

// The value of the clip that plays at `time`.
function valueAt(clips, time) {
  const clip = clips.findLast(([start]) => start <= time);
  return clip ? clip[2] : null;
}

// Draws `lines` ({label, colour, dash, clips: [[start, end, value], ...]}) over `seconds` and
// returns a function that moves the cursor.
function drawChart(holder, lines, seconds, title, seek) {
  holder.replaceChildren();
  const values = lines.flatMap(({ clips }) => clips.map((clip) => clip[2]).filter((v) => v !== null));
  if (!values.length) {
    holder.textContent = `No curve of ${title} for these videos.`;
    return () => {};
  }
  const [width, height] = [holder.clientWidth, 230];
  const pad = (Math.max(...values) - Math.min(...values)) * 0.06 || Math.abs(values[0]) * 0.05 || 1;
  const [low, high] = [Math.min(...values) - pad, Math.max(...values) + pad];
  const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
  const x = (time) => MARGIN.left + (time / seconds) * (right - MARGIN.left);
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - MARGIN.top);
  const names = lines.map((line) => line.label).join(", ");
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title} over time: ${names}` }, holder);

  const rows = ticks(low, high, 5);
  for (const value of rows.values) {
    svg("line", { x1: MARGIN.left, x2: right, y1: y(value), y2: y(value), class: "rule" }, root);
    svg("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, root).textContent = value.toFixed(rows.decimals);
  }
  const columns = ticks(0, seconds, width / 110);
  for (const time of columns.values) {
    svg("text", { x: x(time), y: height - 6, "text-anchor": "middle" }, root).textContent = `${time.toFixed(columns.decimals)} s`;
  }
  for (const { label, colour, dash, clips } of lines) {
    let path = "";
    let pen = "M";
    for (const [start, end, value] of clips) {
      if (value !== null) path += `${pen}${x((start + end) / 2).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = value === null ? "M" : "L";
    }
    const line = svg("path", { d: path, stroke: colour, "stroke-dasharray": dash, class: "curve" }, root);
    line.dataset.label = label;
  }
  const cursor = svg("line", { y1: MARGIN.top, y2: bottom, class: "cursor" }, root);
  root.addEventListener("pointerdown", (event) => {
    const at = event.clientX - root.getBoundingClientRect().left;
    seek(Math.min(Math.max(((at - MARGIN.left) / (right - MARGIN.left)) * seconds, 0), seconds));
  });
  return (time) => {
    cursor.setAttribute("x1", x(time));
    cursor.setAttribute("x2", x(time));
  };
}
