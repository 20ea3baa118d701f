// Which past frames a video's memory retrieves: a map over the whole video, and a strip for now.
const RAMP = [[125, 60, 200], [190, 60, 150], [228, 105, 95], [250, 170, 60]];
const STRIP = 9; // height of the strip in CSS pixels

function rampColour(share) {
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const i = Math.min(Math.floor(at), RAMP.length - 2);
  const mix = RAMP[i].map((low, c) => Math.round(low + (RAMP[i + 1][c] - low) * (at - i)));
  return `rgb(${mix.join(" ")})`;
}

// Smallest and largest similarity of some units, or null when none has a score.
function scoreRange(units) {
  const scores = units.flatMap((unit) => unit.retrievals.flatMap((block) => block.scores));
  const known = scores.filter((score) => score !== null);
  return known.length ? [Math.min(...known), Math.max(...known)] : null;
}

function blockAt(retrievals, time) {
  return retrievals.findLast((block) => block.query <= time) ?? null;
}

function drawRetrievals(canvas, unit, range, seconds, time) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const scale = window.devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const [ink, muted] = [style.color, style.borderTopColor];
  const top = STRIP + 4;
  const x = (second) => (second / seconds) * width;
  const y = (second) => height - (second / seconds) * (height - top);
  const colour = (score) => (score === null || !range ? ink : rampColour((score - range[0]) / (range[1] - range[0] || 1)));

  pen.strokeStyle = muted;
  pen.beginPath();
  pen.moveTo(0, height);
  pen.lineTo(width, top);
  pen.moveTo(0, top - 2);
  pen.lineTo(width, top - 2);
  pen.stroke();
  const gap = unit.retrievals.length > 1 ? unit.retrievals[1].query - unit.retrievals[0].query : 1;
  for (const { query, frames, scores } of unit.retrievals) {
    frames.forEach((second, i) => {
      pen.fillStyle = colour(scores[i]);
      pen.fillRect(x(query), y(second) - 1.5, Math.max(x(gap) - 0.5, 1.5), 3);
    });
  }
  blockAt(unit.retrievals, time)?.frames.forEach((second, i, frames) => {
    pen.fillStyle = colour(blockAt(unit.retrievals, time).scores[i]);
    pen.fillRect(x(second) - 1.5, 0, 3, STRIP);
  });
  pen.fillStyle = ink;
  pen.fillRect(x(time) - 0.5, 0, 1, height);
}
