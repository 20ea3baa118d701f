// The frames that the memory of a video retrieves: arcs from the current block, and a map of all blocks.
const RAMP = [[125, 60, 200], [190, 60, 150], [228, 105, 95], [250, 170, 60]];

function rampColour(share) {
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const i = Math.min(Math.floor(at), RAMP.length - 2);
  const mix = RAMP[i].map((low, c) => Math.round(low + (RAMP[i + 1][c] - low) * (at - i)));
  return `rgb(${mix.join(" ")})`;
}

// Smallest and largest similarity in some videos; null if there is none.
function similarityRange(units) {
  const known = units.flatMap((unit) => unit.retrievals.flatMap((block) => block.similarity)).filter((value) => value !== null);
  return known.length ? known.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]) : null;
}

const blockAt = (retrievals, time) => retrievals.findLast((block) => block.query_s <= time) ?? null;

function pen(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const scale = window.devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const style = getComputedStyle(canvas);
  return { context, width, height, ink: style.color, muted: style.borderTopColor };
}

const similarityColour = (value, range, ink) => (value === null || !range ? ink : rampColour((value - range[0]) / (range[1] - range[0] || 1)));

// The timeline: arcs from the block at `time` to the frames it retrieved.
function drawArcs(canvas, unit, range, time) {
  const { context, width, height, ink, muted } = pen(canvas);
  const x = (second) => (second / unit.length_s) * width;
  context.fillStyle = muted;
  context.fillRect(0, height - 5, width, 5);
  const block = blockAt(unit.retrievals, time);
  block?.frame_s.forEach((second, i) => {
    const [from, to] = [x(second), x(block.query_s)];
    context.strokeStyle = context.fillStyle = similarityColour(block.similarity[i], range, ink);
    context.lineWidth = 1.5;
    context.beginPath();
    context.ellipse((from + to) / 2, height - 5, Math.max(1, (to - from) / 2), Math.max(2, Math.min(height - 8, (to - from) / 3)), 0, Math.PI, 2 * Math.PI);
    context.stroke();
    context.fillRect(from - 2, height - 8, 4, 8);
  });
  context.fillStyle = ink;
  context.fillRect(x(time) - 0.75, 0, 1.5, height);
}

// The map: time of the block across, time of the retrieved frames upwards.
function drawMap(canvas, unit, range, time) {
  const { context, width, height, ink, muted } = pen(canvas);
  const x = (second) => (second / unit.length_s) * width;
  const y = (second) => height - 1 - (second / unit.length_s) * (height - 2);
  context.strokeStyle = muted;
  context.beginPath();
  context.moveTo(0, y(0));
  context.lineTo(x(unit.length_s), y(unit.length_s));
  context.stroke();
  const gap = unit.retrievals.length > 1 ? unit.retrievals[1].query_s - unit.retrievals[0].query_s : 1;
  for (const { query_s, frame_s, similarity } of unit.retrievals) {
    frame_s.forEach((second, i) => {
      context.fillStyle = similarityColour(similarity[i], range, ink);
      context.fillRect(x(query_s), y(second) - 1.5, Math.max(x(gap) - 0.5, 1.5), 3);
    });
  }
  context.fillStyle = ink;
  context.fillRect(x(time) - 0.5, 0, 1, height);
}
