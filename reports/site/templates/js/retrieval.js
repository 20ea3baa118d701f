// Which past frames a video's memory retrieves: arcs from now to then, and a map of the whole video.
const RAMP = [[125, 60, 200], [190, 60, 150], [228, 105, 95], [250, 170, 60]];

function rampColour(share) {
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const i = Math.min(Math.floor(at), RAMP.length - 2);
  const mix = RAMP[i].map((low, c) => Math.round(low + (RAMP[i + 1][c] - low) * (at - i)));
  return `rgb(${mix.join(" ")})`;
}

// Smallest and largest similarity of some units, or null when none has a score.
function scoreRange(units) {
  const known = units.flatMap((unit) => unit.retrievals.flatMap((block) => block.scores)).filter((score) => score !== null);
  return known.length ? known.reduce(([a, b], score) => [Math.min(a, score), Math.max(b, score)], [Infinity, -Infinity]) : null;
}

const blockAt = (retrievals, time) => retrievals.findLast((block) => block.query <= time) ?? null;

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

const scoreColour = (score, range, ink) => (score === null || !range ? ink : rampColour((score - range[0]) / (range[1] - range[0] || 1)));

// The timeline: where the frames in memory come from at `time`.
function drawArcs(canvas, unit, range, length, time) {
  const { context, width, height, ink, muted } = pen(canvas);
  const x = (second) => (second / length) * width;
  context.fillStyle = muted;
  context.fillRect(0, height - 5, width, 5);
  const block = blockAt(unit.retrievals, time);
  block?.frames.forEach((second, i) => {
    const [from, to] = [x(second), x(block.query)];
    context.strokeStyle = context.fillStyle = scoreColour(block.scores[i], range, ink);
    context.lineWidth = 1.5;
    context.beginPath();
    context.ellipse((from + to) / 2, height - 5, Math.max(1, (to - from) / 2), Math.max(2, Math.min(height - 8, (to - from) / 3)), 0, Math.PI, 2 * Math.PI);
    context.stroke();
    context.fillRect(from - 2, height - 8, 4, 8);
  });
  context.fillStyle = ink;
  context.fillRect(x(time) - 0.75, 0, 1.5, height);
}

// The map: across, the time being made; upwards, the time of what is retrieved.
function drawMap(canvas, unit, range, length, time) {
  const { context, width, height, ink, muted } = pen(canvas);
  const x = (second) => (second / length) * width;
  const y = (second) => height - 1 - (second / length) * (height - 2);
  context.strokeStyle = muted;
  context.beginPath();
  context.moveTo(0, y(0));
  context.lineTo(x(length), y(length));
  context.stroke();
  const gap = unit.retrievals.length > 1 ? unit.retrievals[1].query - unit.retrievals[0].query : 1;
  for (const { query, frames, scores } of unit.retrievals) {
    frames.forEach((second, i) => {
      context.fillStyle = scoreColour(scores[i], range, ink);
      context.fillRect(x(query), y(second) - 1.5, Math.max(x(gap) - 0.5, 1.5), 3);
    });
  }
  context.fillStyle = ink;
  context.fillRect(x(time) - 0.5, 0, 1, height);
}
