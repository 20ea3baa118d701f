// Recall curves: a metric against the seconds since something was first in view.
const DODGE_PX = 5; // lines stand apart, so that their intervals can be read

function recallSection(board) {
  const metrics = board.metrics.filter(({ name }) => board.recall[name]?.length);
  if (!metrics.length) return null;
  const panels = h("div", { class: "panels" });
  const state = { metric: metrics[0].name };
  const draw = () => {
    const metric = metrics.find(({ name }) => name === state.metric);
    const all = board.recall[state.metric];
    const several = new Set(all.map(({ prompt_set: set }) => set)).size > 1;
    const groups = Map.groupBy(all, ({ backbone, prompt_set: set }) => (several ? `${backbone}, ${set}` : backbone));
    refill(panels, ...[...groups].map(([group, curves]) => {
      const holder = h("div", { class: "chart" });
      nextFrame(() => drawRecall(holder, curves, metric));
      return h("figure", {}, h("figcaption", {}, group), holder);
    }));
  };
  const choose = (value) => {
    state.metric = value;
    draw();
  };
  const section = h("section", { id: "recall", "aria-labelledby": "recall-title" },
    h("div", { class: "section-head" }, h("h2", { id: "recall-title" }, "Recall by age"), metrics.length > 1 && select("Metric of recall", metrics.map(({ name, title }) => [name, title]), state.metric, choose)),
    legend([...new Set(board.recall[state.metric].map(({ method }) => method))]), panels,
    h("p", { class: "fine" }, `Mean over all returns, by the seconds since the place or figure was first in view, with 95 % intervals over prompts; below ${site().min_prompts} prompts bars are standard errors. Neighbouring ages are joined until an interval has its prompts. At one age all methods share their videos; other ages are partly of other prompts, so compare the lines, not heights along a line.`));
  whenNear(section, draw);
  return section;
}

const ageWords = ({ from_s: from, to_s: to }) => (from === to ? seconds(from) : `${from} to ${seconds(to)}`);

function drawRecall(holder, curves, metric) {
  const lines = curves.map((curve) => ({ ...curve, points: unpack(curve.points) }));
  const points = lines.flatMap((line) => line.points);
  // Of few and skewed prompts an interval may be many times longer than all means lie apart.
  const ends = points.flatMap(({ mean, stderr }) => [mean - 3 * (stderr ?? 0), mean + 3 * (stderr ?? 0)]);
  const [least, most] = [Math.min(0, ...ends), Math.max(...ends)];
  const pad = (most - least) * 0.06 || 1;
  const within = (value) => Math.min(Math.max(value, least - pad), most + pad);
  const said = lines.map(({ method, points: own }) => `${method} ${own.map((point) => `${significant(point.mean)} after ${ageWords(point)}`).join(", ")}`);
  const { root, x, y } = axes(holder, { x: [0, Math.max(...points.map(({ age_s: age }) => age)) * 1.08], y: [least - pad, most + pad], height: 250, label: `${metric.title} by age: ${said.join("; ")}`, xUnit: " s" });
  lines.forEach(({ method, points: own }, i) => {
    const { colour, line } = methodOf(method);
    const at = ({ age_s: age }) => x(age) + (i - (lines.length - 1) / 2) * DODGE_PX;
    root.append(svg("path", { d: `M${own.map((point) => `${at(point).toFixed(1)} ${y(point.mean).toFixed(1)}`).join("L")}`, stroke: colour, "stroke-dasharray": DASHES[line] || null, class: "curve" }));
    for (const point of own) {
      const [from, to] = whiskerEnds(point);
      const tip = `${method} after ${ageWords(point)}: ${number(point.mean, 2)}${point.low === null ? "" : ` (${number(from, 2)} to ${number(to, 2)})`}, ${plural(point.num_prompts, "prompt")}, ${plural(point.num_videos, "video")}${point.no_interval ? `; no interval: ${point.no_interval}` : ""}.`;
      root.append(svg("line", { x1: at(point), x2: at(point), y1: y(within(from)), y2: y(within(to)), stroke: colour, class: "whisker-line" }),
        svg("circle", { cx: at(point), cy: y(point.mean), r: 4, fill: colour, "data-tip": tip }));
    }
  });
  holder.append(h("p", { class: "axis-title" }, "seconds since the first view →"));
}
