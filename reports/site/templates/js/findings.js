// What came out: the sentence on top of the front page, and the laps of one walk by every method.
function headline({ pieces }) {
  return h("p", { class: "headline", tabindex: "0", "data-tip": "By the first metric of quality of the first suite; differences are paired by prompt and noise, with 95 % intervals. Those to the baseline are tested over the whole table, any to random on this metric in this group alone." }, pieces.map(({ text, is_name: isName }) => (isName ? h("b", {}, text) : text)));
}

// The recall curve of a board, and the laps beside it; null without ages.
function findings(data, board) {
  const curve = board && recallSection(board);
  return curve ? h("div", { class: "findings" }, curve, lapsSection(data.laps)) : null;
}

function lapsSection(laps) {
  if (!laps) return null;
  const { title, backbone, prompt_id: id, prompt, seed, lap_s: lap, num_laps: count, strips } = laps;
  const rows = strips.slice(0, MAX_COMPARED).map(({ method }) => rowName({ backbone, method }));
  return h("section", { id: "laps", "aria-labelledby": "laps-title" },
    h("h2", { id: "laps-title" }, "The same places, lap after lap"),
    strips.map(({ unit_id: unit, method, address, value }) => h("div", { class: "strip-row" },
      h("a", { href: href("video", { id: unit }), class: "strip-name" }, swatch(method), h("span", {}, method, h("span", { class: "fine" }, ` ${number(value, 2)}`))),
      picture({ class: "laps", src: address, alt: `${count} laps of ${method} under each other` }))),
    h("p", { class: "fine" }, `One walk, "${prompt}": a row is a lap of ${seconds(lap)}, the first one on top, a column is a place. What is the same from row to row was remembered. Beside each name: ${title} of this video. It is the first prompt with ${count} laps. `,
      h("a", { href: href("compare", { row: rows, prompt: id, seed }) }, "Compare the videos")));
}
