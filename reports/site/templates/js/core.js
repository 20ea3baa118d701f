// Data arrives by scripts that call longtake.put, as declared in reports/site/schema.py. Pages are
// built from nodes, never from markup, so that prompts and error texts stay text.
const values = new Map();
const waiting = new Map();

window.longtake = {
  put(name, value) {
    values.set(name, value);
    waiting.get(name)?.resolve(value);
  },
};

const site = () => values.get("site");
const byId = (id) => document.getElementById(id);

const underWay = new Set(); // promises of what is still to be drawn
let asked = location.hash; // the address that is drawn

// Notes that something is drawn until `promise` ends. Once nothing is left to draw, data-drawn of
// <html> is the address drawn, so that a picture or a check of the page knows when to begin.
function whileDrawn(promise) {
  const root = document.documentElement;
  delete root.dataset.drawn;
  underWay.add(promise);
  const end = () => {
    underWay.delete(promise);
    // Whoever waits for the promise may draw more, and this frame is not painted yet.
    requestAnimationFrame(() => underWay.size || (root.dataset.drawn = asked));
  };
  promise.then(end, end);
  return promise;
}

// Calls `draw` once the nodes before it have their sizes.
function nextFrame(draw) {
  whileDrawn(new Promise((resolve) => requestAnimationFrame(resolve)).then(draw));
}

// An image whose height is known once it is loaded.
function picture(attributes) {
  const image = h("img", { ...attributes, decoding: "async" });
  whileDrawn(new Promise((resolve) => ["load", "error"].forEach((name) => image.addEventListener(name, resolve))));
  return image;
}

// The value called `name`, from data/<name>.js; rejects when there is no such file.
function load(name) {
  if (values.has(name)) return Promise.resolve(values.get(name));
  if (!waiting.has(name)) {
    const promised = Promise.withResolvers();
    waiting.set(name, promised);
    const path = name.startsWith("unit/") ? `units/${name.slice(5)}` : name;
    const script = h("script", { src: `data/${path}.js?${site().build}` });
    script.addEventListener("error", () => {
      waiting.delete(name);
      promised.reject(new Error(`data/${path}.js cannot be read; build the report again.`));
    });
    document.head.append(script);
  }
  return whileDrawn(waiting.get(name).promise);
}

// Columns of equal length as a list of objects.
function unpack(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]])));
}

// The videos of one piece, each as an object with its piece and labels.
async function loadPiece({ name, backbone, method }) {
  const piece = await load(`videos/${name}`);
  piece.all ??= unpack(piece.videos).map((video, index) => ({ ...video, ...piece.prompts[video.prompt], piece, index, backbone, method }));
  return piece.all;
}

// The videos of all pieces that `keep` accepts, in the order of the sweep.
async function loadVideos(keep) {
  return (await Promise.all(site().pieces.filter(keep).map(loadPiece))).flat();
}

const valueOf = ({ piece, index }, suite, length, metric) => piece.values[suite]?.[length]?.[metric]?.[index] ?? null;

// An element. Attributes that are functions become event listeners; null and false are left out.
function h(tag, attributes, ...children) {
  return fillNode(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fillNode(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fillNode(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  return add(node, ...children);
}

// Appends children, also from nested lists; null, undefined and false are left out.
function add(node, ...children) {
  node.append(...children.flat(4).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function refill(node, ...children) {
  node.replaceChildren();
  return add(node, ...children);
}

function announce(text) {
  byId("announcer").textContent = text;
}

// Routes: "#/compare?row=a&row=b" is the page "compare" with these parameters.
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { path, params: new URLSearchParams(query ?? "") };
}

function href(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== "") query.append(name, one);
  }
  return `#/${path}${query.size ? `?${query}` : ""}`;
}

// Changes the address without leaving the page, so that it can be shared.
function remember(path, params) {
  history.replaceState(null, "", href(path, params));
}

const unseen = new Map(); // nodes not shown yet, and what shows them

// Calls `show` once `node` comes near the window, or there is nothing else to do: a picture of the
// whole page is complete without scrolling.
function whenNear(node, show) {
  const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && unseen.get(node)?.(), { rootMargin: "400px" });
  unseen.set(node, () => {
    unseen.delete(node);
    observer.disconnect();
    show();
  });
  observer.observe(node);
  const idle = window.requestIdleCallback ?? ((call) => setTimeout(call, 1000));
  const shown = new Promise((resolve) => idle(resolve)).then(() => (node.isConnected ? unseen.get(node)?.() : null));
  whileDrawn(shown);
}

// Shows all of the page, for paper.
function showEverything() {
  for (const [node, show] of unseen) if (node.isConnected) show();
  for (const node of document.querySelectorAll("#page details")) node.open = true;
}
