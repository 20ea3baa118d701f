// Two to four rows on the same prompt and noise, played as one.
const MAX_COMPARED = 4;

async function comparePage(page, params) {
  const data = site();
  add(page, h("h1", { tabindex: "-1" }, "Compare"));
  const known = [...new Set(data.pieces.map(rowName))];
  if (!known.length) {
    add(page, h("p", { class: "note" }, "There is no row to compare yet."));
    return null;
  }
  const asked = [...new Set(params.getAll("row"))].filter((name) => known.includes(name)).slice(0, MAX_COMPARED);
  const state = { rows: asked.length ? asked : known.slice(0, 2), prompt: params.get("prompt"), seed: params.get("seed"), metric: params.get("metric"), time: Number(params.get("t")) || 0 };
  const metrics = data.boards.flatMap(({ metrics: ofBoard }) => ofBoard.map((metric) => ({ ...metric, key: `${metric.suite}/${metric.name}` })));
  if (!metrics.some(({ key }) => key === state.metric)) state.metric = metrics[0]?.key ?? null;
  const stage = new Stage((time) => {
    state.time = time;
  });
  const controls = h("div", { class: "controls" });
  const chips = h("div", { class: "chips" });
  const promptText = h("p", { class: "prompt" });
  const save = () => remember("compare", { row: state.rows, prompt: state.prompt, seed: state.seed, metric: state.metric === metrics[0]?.key ? "" : state.metric, t: state.time ? state.time.toFixed(1) : "" });

  let turn = 0;
  async function update(time = stage.time) {
    const own = (turn += 1);
    const rows = await Promise.all(state.rows.map(async (name) => ({ name, videos: await loadVideos((piece) => rowName(piece) === name) })));
    if (own !== turn) return;
    // The prompts of all chosen rows, in the order of the sweep.
    const prompts = new Map(rows.flatMap(({ videos }) => videos).sort((a, b) => a.place - b.place).map(({ prompt_id, text }) => [prompt_id, text]));
    const ids = [...prompts.keys()];
    const finished = (id) => rows.every(({ videos }) => videos.some((video) => video.prompt_id === id && video.status === "done"));
    if (!prompts.has(state.prompt)) state.prompt = ids.find(finished) ?? ids[0];
    const seeds = [...new Set(rows.flatMap(({ videos }) => videos).filter((video) => video.prompt_id === state.prompt).map(({ seed }) => seed))].sort((a, b) => a - b);
    if (!seeds.map(String).includes(String(state.seed))) state.seed = seeds[0];
    const step = (by) => {
      state.prompt = ids[(ids.indexOf(state.prompt) + by + ids.length) % ids.length];
      update(0);
    };
    refill(controls,
      h("div", { class: "with-steps grow" }, select("Prompt", [...prompts].map(([id, text]) => [id, `${id}: ${text}`]), state.prompt, (value) => {
        state.prompt = value;
        update(0);
      }, { id: "prompt" }),
      h("button", { type: "button", class: "quiet", "aria-label": "Previous prompt", click: () => step(-1) }, "←"), h("button", { type: "button", class: "quiet", "aria-label": "Next prompt", click: () => step(1) }, "→")),
      seeds.length > 1 && select("Seed", seeds.map((seed) => [seed, seed]), state.seed, (value) => {
        state.seed = value;
        update();
      }, { id: "seed" }),
      metrics.length ? select("Metric", metrics.map(({ key, suite, title }) => [key, data.boards.length > 1 ? `${suite}: ${title}` : title]), state.metric, (value) => {
        state.metric = value;
        stage.setMetric(metrics.find(({ key }) => key === value));
        save();
      }, { id: "metric" }) : null);
    refill(chips, ...state.rows.map((name) => {
      const { backbone, method } = rowOf(name);
      return h("span", { class: "chip" }, swatch(method, backboneDash(backbone)), method, h("span", { class: "fine" }, backbone), state.rows.length > 1 && h("button", { type: "button", class: "quiet", "aria-label": `Remove ${method} on ${backbone}`, click: () => {
        state.rows = state.rows.filter((other) => other !== name);
        update();
      } }, "✕"));
    }), state.rows.length < MAX_COMPARED && known.length > state.rows.length && select("Add a row", [["", "Add a row …"], ...known.filter((name) => !state.rows.includes(name)).map((name) => [name, rowTitle(name)])], "", (value) => {
      state.rows = [...state.rows, value];
      update();
    }, { id: "add-row" }));
    promptText.textContent = prompts.get(state.prompt);
    const chosen = (video) => video.prompt_id === state.prompt && String(video.seed) === String(state.seed);
    stage.show(rows.map(({ name, videos }) => ({ name, line: videos.find(chosen) })), metrics.find(({ key }) => key === state.metric), time);
    save();
  }
  add(page, chips, controls, promptText, stage.node);
  await update(state.time);
  stage.onSettled = save;
  return () => stage.stop();
}

// Videos side by side with one set of controls, a metric over time, and the frames that memory retrieves.
class Stage {
  constructor(onTime) {
    this.onTime = onTime;
    this.onSettled = () => {};
    this.entries = [];
    this.moveCursor = () => {};
    this.play = h("button", { type: "button", id: "play", class: "button", "aria-pressed": "false", click: () => this.toggle() }, "Play");
    this.scrub = h("input", { type: "range", id: "scrub", min: 0, max: 1, value: 0, step: "any", "aria-label": "Time", input: () => this.player.seek(Number(this.scrub.value)), change: () => this.onSettled() });
    this.clock = h("output", { id: "clock", for: "scrub" });
    this.cards = h("div", { class: "cards" });
    this.chart = h("div", { class: "chart", id: "chart" });
    this.chartTitle = h("h2", { class: "small" });
    this.ramp = h("p", { class: "fine", hidden: true });
    this.player = new Player((time) => this.showTime(time), (playing) => {
      this.play.textContent = playing ? "Pause" : "Play";
      this.play.setAttribute("aria-pressed", playing);
      if (!playing) this.onSettled();
    });
    this.node = h("div", { class: "stage" }, h("div", { class: "transport" }, this.play, this.scrub, this.clock), this.cards, this.ramp, this.chartTitle, this.chart,
      h("p", { class: "fine" }, "Colours stand for methods, dashes for backbones. Click a curve or a filmstrip to go to a time. Keys: space plays and pauses, ← and → step 0.25 s, with shift 2 s."));
    this.keys = (event) => this.onKey(event);
    document.addEventListener("keydown", this.keys);
    this.resized = new ResizeObserver(() => this.drawMetric());
    this.resized.observe(this.chart);
  }

  get time() {
    return this.player.time;
  }

  get length() {
    return Math.max(0.001, ...this.entries.map(({ unit }) => unit.length_s));
  }

  stop() {
    this.player.pause();
    document.removeEventListener("keydown", this.keys);
    this.resized.disconnect();
  }

  toggle() {
    if (this.player.playing) this.player.pause();
    else this.player.play();
  }

  onKey(event) {
    if (byId("dialog").open || event.target.closest("input, select, textarea, button, summary, a, [role=region]")) return;
    const step = (event.shiftKey ? 2 : 0.25) * { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === " ") this.toggle();
    else if (step) this.player.seek(Math.min(Math.max(this.time + step, 0), this.length));
    else return;
    event.preventDefault();
  }

  // rows: {name, line: of the list of videos, undefined if the row has no such video}; metric: with
  // its suite.
  async show(rows, metric, time) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const found = await Promise.all(rows.map(async ({ name, line }) => {
      if (line?.status !== "done") return { name, line };
      return load(`unit/${line.unit_id}`).then((unit) => ({ name, line, unit }), (error) => ({ name, line, error }));
    }));
    if (turn !== this.turn) return;
    this.entries = [];
    refill(this.cards, ...found.map((row) => this.card(row)));
    setStyle(this.cards, "--columns", found.length);
    this.scrub.max = this.length;
    this.range = similarityRange(this.entries.map(({ unit }) => unit));
    const retrieving = this.entries.some(({ arcs }) => arcs);
    this.ramp.hidden = !retrieving;
    refill(this.ramp, "Arcs connect the current block with the frames its memory retrieves. The map below shows all blocks: horizontal, the time of the block; vertical, the time of the retrieved frames. ",
      ...(this.range ? ["Similarity ", this.range[0].toFixed(2), " ", h("span", { class: "ramp", "aria-hidden": "true" }), " ", this.range[1].toFixed(2), "."] : ["These methods give no similarities."]));
    this.metric = metric;
    this.player.load(this.entries.map(({ video }) => video).filter(Boolean));
    this.drawMetric();
    this.player.seek(Math.min(time, this.length));
  }

  card({ name, line, unit, error }) {
    const { backbone, method } = rowOf(name);
    const head = h("h2", { class: "card-head" }, swatch(method, backboneDash(backbone)), h("span", {}, method, h("span", { class: "fine" }, backbone)));
    if (!unit) {
      const failure = line && site().failures.find(({ unit_id }) => unit_id === line.unit_id);
      const why = error?.message ?? (line ? `${line.status}${failure ? `: ${failure.reason}` : ""}` : "this row has no such prompt and seed");
      return h("article", { class: "card" }, head, h("p", { class: "absent" }, `No video (${why}).`));
    }
    const entry = { unit, name, value: h("output", { class: "value-now" }) };
    const seek = (share) => {
      this.player.seek(share * unit.length_s);
      this.onSettled();
    };
    const body = [head, this.video(entry, `${method} on ${backbone}`), strip(unit.strip, `${method} on ${backbone}`, seek)];
    if (unit.retrievals.length) {
      entry.arcs = h("canvas", { class: "arcs", role: "img", "aria-label": `Retrieved frames at this time, ${method} on ${backbone}` });
      entry.map = h("canvas", { class: "map", role: "img", "aria-label": `Retrieved frames over the whole video, ${method} on ${backbone}` });
      entry.memory = h("p", { class: "fine memory" });
      body.push(entry.arcs, entry.map, entry.memory);
    }
    body.splice(2, 0, h("p", { class: "value" }, entry.value, h("a", { href: href("video", { id: unit.unit_id }) }, "details", h("span", { class: "unseen" }, ` of ${method} on ${backbone}`))));
    this.entries.push(entry);
    return h("article", { class: "card", mouseenter: () => this.highlight(name), mouseleave: () => this.highlight(null) }, body);
  }

  video(entry, label) {
    if (!entry.unit.video) return h("p", { class: "absent" }, "This report contains no videos.");
    const video = h("video", { src: entry.unit.video, preload: "metadata", playsinline: true, "aria-label": label });
    video.muted = true;
    entry.video = video;
    video.addEventListener("error", () => {
      video.replaceWith(h("p", { class: "absent" }, `Cannot play ${entry.unit.video}: it was moved or is not written yet.`));
      this.player.drop(video);
    });
    return setStyle(video, "aspect-ratio", `${entry.unit.width} / ${entry.unit.height}`);
  }

  setMetric(metric) {
    this.metric = metric;
    this.drawMetric();
  }

  drawMetric() {
    const { metric } = this;
    if (!metric || !this.chart.isConnected) return;
    this.chartTitle.textContent = `${metricTitle(metric)}${metric.unit ? ` (${metric.unit})` : ""}`;
    const lines = this.entries.map(({ unit, name }) => ({ label: name, colour: methodOf(unit.method).colour, dash: backboneDash(unit.backbone), points: clipPoints(unit.curves[metric.suite], metric.name) }));
    this.moveCursor = drawChart(this.chart, { lines, length: this.length, title: metric.title, seek: (time) => {
      this.player.seek(time);
      this.onSettled();
    } });
    this.showTime(this.time);
  }

  highlight(name) {
    for (const curve of this.chart.querySelectorAll(".curve, .spot")) curve.classList.toggle("faded", name !== null && curve.dataset.label !== name);
  }

  showTime(time) {
    const text = `${time.toFixed(1)} / ${this.length.toFixed(1)} s`;
    this.scrub.value = time;
    this.scrub.setAttribute("aria-valuetext", text);
    this.clock.textContent = text;
    this.moveCursor(time);
    for (const { unit, value, arcs, map, memory } of this.entries) {
      const now = this.metric ? valueAt(unit.curves[this.metric.suite], this.metric.name, time) : null;
      value.textContent = now === null ? DASH : significant(now, 4);
      if (!arcs) continue;
      drawArcs(arcs, unit, this.range, time);
      drawMap(map, unit, this.range, time);
      const frames = blockAt(unit.retrievals, time)?.frame_s.map((second) => `${second.toFixed(1)} s`).join(", ");
      memory.textContent = frames ? `retrieved: ${frames}` : "nothing retrieved yet";
    }
    this.onTime(time);
  }
}
