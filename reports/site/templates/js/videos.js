// The list of all videos.
async function videosPage(page, params) {
  const data = site();
  add(page, h("h1", { tabindex: "-1" }, "Videos"));
  const place = h("div", { class: "busy" }, h("p", { class: "fine" }, "Loading the list of videos …"));
  add(page, place);
  const videos = await load("videos");
  const state = { q: params.get("q") ?? "", status: params.get("status") ?? "", board: params.get("board") ?? data.boards[0]?.suite ?? "", d: params.get("d") ?? "" };
  const count = h("p", { class: "fine", role: "status" });
  const holder = h("div", {});
  const rows = videos.lines.map((line, i) => ({ line, i, text: [videos.prompts[line[3]].join(" "), data.backbones[line[1]], data.methods[line[2]].name, line[0], `seed=${line[4]}`].join(" ").toLowerCase() }));
  const save = () => remember("videos", { q: state.q, status: state.status, board: state.board === data.boards[0]?.suite ? "" : state.board, d: state.d });
  let table;
  function makeTable() {
    const board = data.boards.find(({ suite }) => suite === state.board);
    const length = board && (board.durations.find((d) => String(d) === state.d) ?? Math.max(...board.durations));
    const columns = [
      { title: "Video", rowHead: true, value: ({ line }) => videos.prompts[line[3]][0], cell: ({ line }) => h("a", { href: href("video", { id: line[0] }), class: "thumb-link" }, line[6] ? h("span", { class: "thumb" }, h("img", { src: line[6], alt: "", loading: "lazy", decoding: "async" })) : h("span", { class: "thumb none" }), h("span", {}, videos.prompts[line[3]][0], h("span", { class: "fine clip" }, videos.prompts[line[3]][1]))) },
      { title: "Method", value: ({ line }) => data.methods[line[2]].name, cell: ({ line }) => [swatch(data.methods[line[2]].name), data.methods[line[2]].name] },
      { title: "Backbone", value: ({ line }) => data.backbones[line[1]], cell: ({ line }) => data.backbones[line[1]] },
      { title: "Seed", number: true, value: ({ line }) => line[4], cell: ({ line }) => line[4] },
      { title: "Status", value: ({ line }) => line[5], cell: ({ line }) => h("span", { class: `status ${line[5]}` }, line[5]) },
      ...(board?.metrics ?? []).map((info) => {
        const found = videos.values[board.suite][String(length)]?.[info.name] ?? [];
        return { title: `${info.title} ${info.up ? "↑" : "↓"}`, tip: metricHead(info), number: true, first: info.up ? "descending" : "ascending", value: ({ i }) => found[i] ?? null, cell: ({ i }) => number(found[i] ?? null, info.decimals) };
      }),
    ];
    table = new DataTable({ label: "All videos", columns });
    refill(holder, ...(board ? [h("div", { class: "board-head" }, kindBadge(board.kind), h("p", { class: "fine" }, `Suite ${board.suite} at ${seconds(length)}.`))] : []), table.node);
    filter();
  }
  function filter() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = rows.filter(({ line, text }) => (!state.status || line[5] === state.status) && words.every((word) => text.includes(word)));
    table.setRows(shown);
    count.textContent = shown.length === rows.length ? plural(rows.length, "video") : `${shown.length.toLocaleString("en")} of ${plural(rows.length, "video")}`;
    save();
  }
  const statuses = [...new Set(videos.lines.map((line) => line[5]))];
  const durations = data.boards.find(({ suite }) => suite === state.board)?.durations ?? [];
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
