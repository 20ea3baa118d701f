// The list of all videos.
async function videosPage(page, params) {
  const data = site();
  add(page, h("h1", { tabindex: "-1" }, "Videos"));
  const place = h("div", { class: "busy" }, h("p", { class: "fine" }, "Loading the list of videos …"));
  add(page, place);
  const list = await loadVideos();
  const state = { q: params.get("q") ?? "", status: params.get("status") ?? "", board: params.get("board") ?? data.boards[0]?.suite ?? "", d: params.get("d") ?? "" };
  const count = h("p", { class: "fine", role: "status" });
  const holder = h("div", {});
  const searched = list.all.map((video) => [video.prompt_id, video.text, video.backbone, video.method, video.unit_id, `seed=${video.seed}`].join(" ").toLowerCase());
  const save = () => remember("videos", { q: state.q, status: state.status, board: state.board === data.boards[0]?.suite ? "" : state.board, d: state.d });
  let table;
  function makeTable() {
    const board = data.boards.find(({ suite }) => suite === state.board);
    const length = board && (board.durations_s.find((d) => String(d) === state.d) ?? Math.max(...board.durations_s));
    const columns = [
      { title: "Video", rowHead: true, value: (video) => video.prompt_id, cell: (video) => h("a", { href: href("video", { id: video.unit_id }), class: "thumb-link" }, video.strip ? h("span", { class: "thumb" }, h("img", { src: video.strip, alt: "", loading: "lazy", decoding: "async" })) : h("span", { class: "thumb none" }), h("span", {}, video.prompt_id, h("span", { class: "fine clip" }, video.text))) },
      { title: "Method", value: (video) => video.method, cell: (video) => [swatch(video.method), video.method] },
      { title: "Backbone", value: (video) => video.backbone, cell: (video) => video.backbone },
      { title: "Seed", number: true, value: (video) => video.seed, cell: (video) => video.seed },
      { title: "Status", value: (video) => video.status, cell: (video) => h("span", { class: `status ${video.status}` }, video.status) },
      ...(board?.metrics ?? []).map((metric) => {
        const values = list.values[board.suite][String(length)]?.[metric.name] ?? [];
        const valueOf = (video) => values[video.index] ?? null;
        return { title: metricTitle(metric), tip: metricWords(metric), number: true, first: metric.higher_is_better ? "descending" : "ascending", value: valueOf, cell: (video) => number(valueOf(video), metric.decimals) };
      }),
    ];
    table = new DataTable({ label: "All videos", columns });
    refill(holder, ...(board ? [h("div", { class: "board-head" }, kindBadge(board.kind), h("p", { class: "fine" }, `Suite ${board.suite} at ${seconds(length)}.`))] : []), table.node);
    filter();
  }
  function filter() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = list.all.filter((video) => (!state.status || video.status === state.status) && words.every((word) => searched[video.index].includes(word)));
    table.setRows(shown);
    count.textContent = shown.length === list.all.length ? plural(shown.length, "video") : `${shown.length.toLocaleString("en")} of ${plural(list.all.length, "video")}`;
    save();
  }
  const statuses = [...new Set(list.all.map(({ status }) => status))];
  const durations = data.boards.find(({ suite }) => suite === state.board)?.durations_s ?? [];
  place.replaceWith(h("div", { class: "controls" },
    h("label", { class: "field grow" }, h("span", {}, "Prompt, method, backbone, unit or seed=N"), h("input", { type: "search", id: "video-filter", value: state.q, input: (event) => {
      state.q = event.target.value;
      filter();
    } })),
    statuses.length > 1 && select("Status", [["", "All"], ...statuses.map((name) => [name, name])], state.status, (value) => {
      state.status = value;
      filter();
    }),
    data.boards.length > 1 && select("Numbers", data.boards.map(({ suite, kind }) => [suite, `${kind} (${suite})`]), state.board, (value) => {
      Object.assign(state, { board: value, d: "" });
      makeTable();
    }),
    durations.length > 1 && select("Length", durations.map((d) => [d, seconds(d)]), state.d || Math.max(...durations), (value) => {
      state.d = value;
      makeTable();
    })), count, holder);
  makeTable();
  return null;
}
