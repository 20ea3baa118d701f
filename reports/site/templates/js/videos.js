// The list of all videos, read piece by piece: the first ones at once, all for a search or an order.
const FIRST_VIDEOS = 500;

async function videosPage(page, params) {
  const data = site();
  add(page, h("h1", { tabindex: "-1" }, "Videos"));
  const state = { q: params.get("q") ?? "", status: params.get("status") ?? "", board: params.get("board") ?? data.boards[0]?.suite ?? "", d: params.get("d") ?? "" };
  const total = data.pieces.reduce((sum, piece) => sum + piece.num_videos, 0);
  const count = h("p", { class: "fine", role: "status" });
  const more = h("button", { type: "button", class: "quiet", click: () => read(videos.length + FIRST_VIDEOS) }, "Show more");
  const holder = h("div", {});
  const videos = [];
  const searched = new Map();
  let numRead = 0;
  let left = false;
  let reading = Promise.resolve();
  const save = () => remember("videos", { q: state.q, status: state.status, board: state.board === data.boards[0]?.suite ? "" : state.board, d: state.d });
  let table;
  function makeTable() {
    const board = data.boards.find(({ suite }) => suite === state.board);
    const length = board && (board.durations_s.find((d) => String(d) === state.d) ?? board.durations_s.at(-1));
    const columns = [
      { title: "Video", rowHead: true, value: (video) => video.prompt_id, cell: (video) => h("a", { href: href("video", { id: video.unit_id }), class: "thumb-link" }, video.strip ? h("span", { class: "thumb" }, h("img", { src: video.strip, alt: "", loading: "lazy", decoding: "async" })) : h("span", { class: "thumb none" }), h("span", {}, video.prompt_id, h("span", { class: "fine clip" }, video.text))) },
      { title: "Method", value: (video) => video.method, cell: (video) => [swatch(video.method), video.method] },
      { title: "Backbone", value: (video) => video.backbone, cell: (video) => video.backbone },
      { title: "Seed", number: true, value: (video) => video.seed, cell: (video) => video.seed },
      { title: "Status", value: (video) => video.status, cell: (video) => h("span", { class: `status ${video.status}` }, video.status) },
      ...(board?.metrics ?? []).map((metric) => {
        const valueIn = (video) => valueOf(video, metric.suite, String(length), metric.name);
        return { title: metricTitle(metric), tip: metricWords(metric), number: true, first: metric.higher_is_better ? "descending" : "ascending", value: valueIn, text: (video) => number(valueIn(video), metric.decimals), cell: (video) => number(valueIn(video), metric.decimals) };
      }),
    ];
    table = new DataTable({ label: "All videos", columns, onSort: () => read(total) });
    refill(holder, ...(board ? [h("div", { class: "board-head" }, kindBadge(board.kind), h("p", { class: "fine" }, `Suite ${board.suite} at ${seconds(length)}.`))] : []), table.node);
    filter();
  }
  function filter() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = videos.filter((video) => (!state.status || video.status === state.status) && words.every((word) => searched.get(video).includes(word)));
    table.setRows(shown);
    const known = videos.length < total ? `the first ${videos.length.toLocaleString("en")} of ` : "";
    count.textContent = shown.length === videos.length ? `${known}${plural(total, "video")}` : `${shown.length.toLocaleString("en")} of ${known}${plural(total, "video")}`;
    more.hidden = videos.length >= total;
  }
  // Reads on until so many videos are known, one request after the other.
  const read = (wanted) => (reading = reading.then(() => readOn(wanted)));
  async function readOn(wanted) {
    while (!left && videos.length < Math.min(wanted, total)) {
      const next = data.pieces.slice(numRead, numRead + 4);
      numRead += next.length;
      for (const video of (await Promise.all(next.map(loadPiece))).flat()) {
        videos.push(video);
        searched.set(video, [video.prompt_id, video.text, video.backbone, video.method, video.unit_id, `seed=${video.seed}`].join(" ").toLowerCase());
      }
      filter();
    }
  }
  function search() {
    filter();
    save();
    if (state.q || state.status) read(total);
  }
  const statuses = Object.keys(data.counts).filter((status) => data.counts[status]);
  const durations = data.boards.find(({ suite }) => suite === state.board)?.durations_s ?? [];
  add(page, h("div", { class: "controls" },
    h("label", { class: "field grow" }, h("span", {}, "Prompt, method, backbone, unit or seed=N"), h("input", { type: "search", id: "video-filter", value: state.q, input: (event) => {
      state.q = event.target.value;
      search();
    } })),
    statuses.length > 1 && select("Status", [["", "All"], ...statuses.map((name) => [name, name])], state.status, (value) => {
      state.status = value;
      search();
    }),
    data.boards.length > 1 && select("Numbers", data.boards.map(({ suite, kind }) => [suite, `${kind} (${suite})`]), state.board, (value) => {
      Object.assign(state, { board: value, d: "" });
      makeTable();
      save();
    }),
    durations.length > 1 && select("Length", durations.map((d) => [d, seconds(d)]), state.d || durations.at(-1), (value) => {
      state.d = value;
      makeTable();
      save();
    })), h("div", { class: "section-head" }, count, more), holder);
  makeTable();
  await read(state.q || state.status ? total : FIRST_VIDEOS);
  return () => {
    left = true;
  };
}
