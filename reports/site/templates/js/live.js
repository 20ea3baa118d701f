// While a sweep runs, the report is rebuilt repeatedly. This asks for the newest counts and reloads the
// page after a new build, unless the reader is typing, watching a video or reading a dialog.
const LIVE_EVERY_MS = 4000;

function followLive() {
  if (!site().live) return;
  const bar = byId("live");
  bar.hidden = false;
  const show = (counts) => refill(bar, h("span", { class: "pulse", "aria-hidden": "true" }), "Live ", progressBar(counts));
  show(site().counts);
  setInterval(() => {
    values.delete("live");
    const script = h("script", { src: `data/live.js?${Date.now()}` });
    script.addEventListener("load", () => {
      script.remove();
      const live = values.get("live");
      if (!live) return;
      show(live.counts);
      const busy = byId("dialog").open || [...document.querySelectorAll("video")].some((video) => !video.paused) || document.activeElement?.matches("input, select");
      if (live.build !== site().build && !busy) location.reload();
    });
    script.addEventListener("error", () => script.remove());
    document.head.append(script);
  }, LIVE_EVERY_MS);
}
