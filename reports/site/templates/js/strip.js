// Filmstrips: the frames of a video side by side. Clicking goes to that time.
const STRIP_FRAMES = 8;

// `seek` is called with the clicked position as a share of the video, 0 to 1.
function strip(address, label, seek) {
  if (!address) return h("div", { class: "strip none" }, h("span", { class: "fine" }, "no video"));
  const image = picture({ src: address, alt: `${STRIP_FRAMES} frames of ${label}, evenly spaced` });
  image.addEventListener("error", () => image.replaceWith(h("span", { class: "fine" }, "picture not found")));
  const node = h("div", { class: "strip" }, image);
  if (seek) {
    node.classList.add("seekable");
    node.addEventListener("click", (event) => {
      const box = node.getBoundingClientRect();
      seek(Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1));
    });
  }
  return node;
}
