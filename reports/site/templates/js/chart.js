// Lines over time as SVG, with bands and a cursor; and points of cost against quality.
const MARGIN = { top: 10, right: 14, bottom: 26, left: 54 };

// About `count` round values in [low, high].
function ticks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return { values: found, decimals: Math.min(8, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) };
}

// The value of the clip that plays at `time`; `curves` are those of a suite, or undefined.
function valueAt(curves, metric, time) {
  const clip = curves?.start_s.findLastIndex((start) => start <= time) ?? -1;
  return curves?.values[metric]?.[clip] ?? null;
}

// The points of a curve, each in the middle of its clip.
function clipPoints(curves, metric) {
  return (curves?.values[metric] ?? []).map((value, i) => ({ at: (curves.start_s[i] + curves.end_s[i]) / 2, value, error: null }));
}

// A frame with both axes; returns its node and the two scales.
function axes(holder, { x: [x0, x1], y: [y0, y1], height, label, xUnit, flip }) {
  const width = Math.max(holder.clientWidth, 200);
  const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
  const x = (value) => MARGIN.left + ((value - x0) / (x1 - x0)) * (right - MARGIN.left);
  const rise = (value) => ((value - y0) / (y1 - y0)) * (bottom - MARGIN.top);
  const y = (value) => (flip ? MARGIN.top + rise(value) : bottom - rise(value));
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  refill(holder, root);
  const lines = ticks(y0, y1, Math.max(3, height / 44));
  for (const value of lines.values) {
    root.append(svg("line", { x1: MARGIN.left, x2: right, y1: y(value), y2: y(value), class: "rule" }),
      svg("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, number(value, lines.decimals)));
  }
  const columns = ticks(x0, x1, width / 110);
  for (const value of columns.values) {
    root.append(svg("text", { x: x(value), y: height - 7, "text-anchor": "middle" }, `${number(value, columns.decimals)}${xUnit}`));
  }
  return { root, x, y, right, bottom };
}

// Draws `lines` ({label, colour, dash, points: {at, value, error}, the latter two may be null}) and
// returns a function that moves the cursor. `seek`, if given, is called with the second clicked.
function drawChart(holder, { lines, length, title, seek, height = 210 }) {
  const known = lines.flatMap(({ points }) => points.filter(({ value }) => value !== null).flatMap(({ value, error }) => [value - (error ?? 0), value + (error ?? 0)]));
  if (!known.length) {
    refill(holder, h("p", { class: "fine" }, `No curve of ${title}.`));
    return () => {};
  }
  const [least, most] = known.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const pad = (most - least) * 0.06 || Math.abs(least) * 0.05 || 1;
  const label = `${title} over time: ${lines.map((line) => line.label).join(", ")}`;
  const { root, x, y, right, bottom } = axes(holder, { x: [0, length], y: [least - pad, most + pad], height, label, xUnit: " s" });
  for (const { points, colour } of lines) {
    const band = points.filter(({ value, error }) => value !== null && error);
    if (band.length < 2) continue;
    const upper = band.map(({ at, value, error }) => `${x(at).toFixed(1)} ${y(value + error).toFixed(1)}`);
    const lower = band.map(({ at, value, error }) => `${x(at).toFixed(1)} ${y(value - error).toFixed(1)}`).reverse();
    root.append(svg("path", { d: `M${[...upper, ...lower].join("L")}Z`, fill: colour, class: "band" }));
  }
  for (const { label: name, colour, dash, points } of lines) {
    let path = "";
    let pen = "M";
    for (const { at, value } of points) {
      if (value !== null) path += `${pen}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = value === null ? "M" : "L";
    }
    const curve = svg("path", { d: path, stroke: colour, "stroke-dasharray": dash || null, class: "curve" });
    curve.dataset.label = name;
    root.append(curve);
    // A value without neighbours is a dot, as a line needs two.
    points.forEach(({ at, value }, i) => {
      const isAlone = value !== null && [points[i - 1], points[i + 1]].every((other) => (other?.value ?? null) === null);
      if (!isAlone) return;
      const spot = svg("circle", { cx: x(at).toFixed(1), cy: y(value).toFixed(1), r: 3.5, fill: colour, class: "spot" });
      spot.dataset.label = name;
      root.append(spot);
    });
  }
  if (!seek) return () => {};
  const cursor = svg("line", { y1: MARGIN.top, y2: bottom, class: "cursor" });
  root.append(cursor);
  root.classList.add("seekable");
  root.addEventListener("pointerdown", (event) => {
    const at = event.clientX - root.getBoundingClientRect().left;
    seek(Math.min(Math.max(((at - MARGIN.left) / (right - MARGIN.left)) * length, 0), length));
  });
  return (time) => {
    cursor.setAttribute("x1", x(time));
    cursor.setAttribute("x2", x(time));
  };
}

const MAX_NAME = 28; // letters of a name in a chart

// Points {x, y, low, high, label, colour, href, faded}; the better corner is upper right.
function drawScatter(holder, { points, title, xTitle, flip, height = 250 }) {
  if (!points.length) {
    refill(holder, h("p", { class: "fine" }, "No row has both numbers."));
    return;
  }
  const range = (found) => {
    const [least, most] = [Math.min(...found), Math.max(...found)];
    const pad = (most - least) * 0.12 || Math.abs(least) * 0.1 || 1;
    return [least - pad, most + pad];
  };
  const label = `${title} against ${xTitle}: ${points.map((p) => `${p.label}, ${significant(p.y)} at ${significant(p.x)}`).join("; ")}`;
  const { root, x, y, right } = axes(holder, { x: range(points.map((p) => p.x)), y: range(points.flatMap((p) => [p.y, p.low ?? p.y, p.high ?? p.y])), height: height - 16, label, xUnit: "", flip });
  for (const point of points) {
    const group = svg("g", { class: point.faded ? "faded" : null, tabindex: "0", role: "img", "aria-label": point.label, "data-tip": `${point.label}: ${title.toLowerCase()} ${significant(point.y)}, ${significant(point.x)} ${xTitle}` });
    if (point.low !== null && point.low !== undefined) group.append(svg("line", { x1: x(point.x), x2: x(point.x), y1: y(point.low), y2: y(point.high), stroke: point.colour, class: "whisker-line" }));
    group.append(svg("circle", { cx: x(point.x), cy: y(point.y), r: 6, fill: point.colour }));
    root.append(group);
  }
  nameWhereFree(root, points, x, y, right);
  holder.append(h("p", { class: "axis-title" }, `${xTitle} →`));
}

// Writes the names of points where they cover no point and no other name; all names are tips too.
function nameWhereFree(root, points, x, y, right) {
  const taken = points.map((point) => ({ left: x(point.x) - 7, right: x(point.x) + 7, top: y(point.y) - 7, bottom: y(point.y) + 7 }));
  const places = [[10, 4, "start"], [-10, 4, "end"], [0, -10, "middle"], [0, 18, "middle"], [10, -10, "start"], [10, 18, "start"]];
  for (const point of points) {
    const name = point.label.length > MAX_NAME ? `${point.label.slice(0, MAX_NAME - 1)}…` : point.label;
    const text = svg("text", { class: `point-label ${point.faded ? "faded" : ""}`, "aria-hidden": "true" }, name);
    root.append(text);
    const width = text.getComputedTextLength();
    const free = places.find(([dx, dy, anchor]) => {
      const left = x(point.x) + dx - { start: 0, middle: width / 2, end: width }[anchor];
      const box = { left, right: left + width, top: y(point.y) + dy - 11, bottom: y(point.y) + dy + 3 };
      const covers = (other) => box.left < other.right && box.right > other.left && box.top < other.bottom && box.bottom > other.top;
      if (left < MARGIN.left - 6 || box.right > right + 4 || taken.some(covers)) return false;
      taken.push(box);
      return true;
    });
    if (!free) {
      text.remove();
      continue;
    }
    const [dx, dy, anchor] = free;
    text.setAttribute("x", x(point.x) + dx);
    text.setAttribute("y", y(point.y) + dy);
    text.setAttribute("text-anchor", anchor);
  }
}

// A curve in a table cell.
function sparkline(points, colour) {
  const known = points.filter((value) => value !== null);
  if (known.length < 2) return h("span", { class: "fine" }, DASH);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const place = (value, i) => `${((i / (points.length - 1)) * 76 + 2).toFixed(1)} ${(22 - ((value - least) / (most - least || 1)) * 18).toFixed(1)}`;
  const path = points.map((value, i) => (value === null ? null : place(value, i))).filter(Boolean).join("L");
  return svg("svg", { viewBox: "0 0 80 26", class: "spark", role: "img", "aria-label": `from ${significant(known[0])} to ${significant(known.at(-1))}` },
    svg("path", { d: `M${path}`, stroke: colour }));
}
