"use strict";
// One pair after the other; votes stay in the browser until they are saved as a file.
window.longtakeVote = ({ page, pairs }) => {
  const byId = (id) => document.getElementById(id);
  const place = `longtake-vote-${page}`;
  const random = () => [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const stored = (() => {
    try {
      return JSON.parse(localStorage.getItem(place));
    } catch {
      return null; // no storage for pages opened from a folder, or a damaged one
    }
  })();
  const collects = Boolean(window.longtakeCollects);
  const state = stored ?? { voter: random(), order: shuffled(pairs.length), votes: {} };
  let at = Math.min(Object.keys(state.votes).length, pairs.length);

  function shuffled(length) {
    const order = Array.from({ length }, (_, index) => index);
    for (let i = length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  function show() {
    const done = at >= pairs.length;
    const pair = pairs[state.order[Math.min(at, pairs.length - 1)]];
    byId("prompt").textContent = done ? `That was all. ${collects ? "Send your votes." : "Save the file and send it back."} Thank you!` : pair.prompt;
    byId("send").hidden = !(collects && done);
    byId("pair").hidden = byId("buttons").hidden = done;
    byId("progress").max = pairs.length;
    byId("progress").value = at;
    byId("count").textContent = `${at} of ${pairs.length}`;
    byId("back").disabled = at === 0;
    ["left", "right"].forEach((side, index) => {
      const video = byId(side);
      if (done) return video.pause();
      video.src = pair.videos[index];
      video.play().catch(() => {}); // a browser may wait for the first click
    });
  }

  function vote(choice) {
    if (at >= pairs.length) return;
    state.votes[pairs[state.order[at]].name] = choice;
    at += 1;
    try {
      localStorage.setItem(place, JSON.stringify(state));
    } catch {
      // without storage the votes last until the page is closed
    }
    show();
  }

  const ballot = () => JSON.stringify({ page, voter: state.voter, votes: state.votes });

  async function send() {
    byId("send").disabled = true;
    try {
      const response = await fetch("votes", { method: "POST", headers: { "Content-Type": "application/json" }, body: ballot() });
      byId("answer").textContent = response.ok ? "Your votes are saved." : `Not saved: ${await response.text()}`;
      byId("send").disabled = response.ok;
    } catch {
      byId("answer").textContent = "The server gave no answer. Try again, or save the file.";
      byId("send").disabled = false;
    }
  }

  function save() {
    const file = new Blob([ballot()], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `votes-${page}-${state.voter}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  for (const button of document.querySelectorAll("[data-vote]")) button.addEventListener("click", () => vote(button.dataset.vote));
  byId("back").addEventListener("click", () => {
    at -= 1;
    show();
  });
  byId("save").addEventListener("click", save);
  byId("send").addEventListener("click", send);
  document.addEventListener("keydown", (event) => {
    const choice = { ArrowLeft: "left", ArrowDown: "tie", ArrowRight: "right" }[event.key];
    if (!choice || event.repeat) return;
    event.preventDefault();
    vote(choice);
  });
  show();
};
