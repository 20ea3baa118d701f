// Routes, navigation and theme.
const PAGES = {
  "": { title: "Leaderboard", show: frontPage },
  compare: { title: "Compare", show: comparePage },
  videos: { title: "Videos", show: videosPage },
  methods: { title: "Methods", show: methodsPage },
  differences: { title: "Differences", show: differencesPage, when: () => site().sources.length > 1 },
  sources: { title: "Sources", show: sourcesPage },
  video: { title: "Video", show: videoPage, hidden: true },
};

let leave = null;
let visit = 0;

const showPage = (first) => whileDrawn(drawPage(first));

async function drawPage(first) {
  asked = location.hash;
  const { path, params } = route();
  const found = PAGES[path];
  const turn = ++visit;
  leave?.();
  leave = null;
  hideTip();
  if (byId("dialog").open) byId("dialog").close();
  const page = byId("page");
  unseen.clear();
  refill(page);
  page.className = `page-${path || "front"}`;
  document.title = `${found?.title ?? "No such page"} · ${site().name} · Longtake`;
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.hash === href(path)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!first) {
    window.scrollTo(0, 0);
    page.focus({ preventScroll: true });
  }
  if (!found) {
    add(page, h("h1", { tabindex: "-1" }, "No such page"), h("p", {}, h("a", { href: href("") }, "Go to the leaderboard")));
    return;
  }
  // Each visit fills its own node, so that a page left while it loads cannot write into the next.
  const own = h("div", {});
  add(page, own);
  try {
    const cleanup = await found.show(own, params);
    if (turn === visit) leave = cleanup;
    else cleanup?.();
  } catch (error) {
    if (turn === visit) add(own, h("p", { class: "note", role: "alert" }, error.message));
  }
  if (turn !== visit) return;
  if (!first) announce(found.title);
  if (params.get("popup")) openPopup(params.get("popup"));
}

function storedTheme() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // some browsers have no storage for pages opened from a folder
  }
}

function setTheme(theme) {
  document.documentElement.style.colorScheme = theme ?? "";
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  byId("theme").textContent = dark ? "☀" : "☾";
  byId("theme").dataset.next = dark ? "light" : "dark";
}

function start() {
  setTheme(storedTheme());
  if (!site()) {
    refill(byId("page"), h("p", { class: "note" }, "data/site.js cannot be read. Build the report again."));
    whileDrawn(Promise.resolve());
    return;
  }
  site().boards.forEach(giveCells);
  byId("theme").addEventListener("click", () => {
    const { next } = byId("theme").dataset;
    setTheme(next);
    try {
      localStorage.setItem("theme", next);
    } catch {
      // without storage the choice lasts until the page is closed
    }
  });
  byId("dialog").addEventListener("click", (event) => event.target === byId("dialog") && byId("dialog").close());
  byId("nav").append(...Object.entries(PAGES).filter(([, page]) => !page.hidden && (page.when?.() ?? true)).map(([path, { title }]) => h("a", { href: href(path) }, title)));
  window.addEventListener("hashchange", () => showPage(false));
  // What is drawn only when it comes into view must not be missing on paper.
  window.addEventListener("beforeprint", showEverything);
  showPage(true);
  followLive();
}

document.addEventListener("DOMContentLoaded", start);
