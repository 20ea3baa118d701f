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
  return waiting.get(name).promise;
}

// Columns of equal length as a list of objects.
function unpack(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]])));
}

// The list of videos, with `all`: each as an object, with labels in place of indices.
async function loadVideos() {
  const list = await load("videos");
  list.all ??= unpack(list.videos).map((video, index) => ({
    ...video, ...list.prompts[video.prompt], index,
    backbone: site().backbones[video.backbone],
    method: site().methods[video.method].name,
  }));
  return list;
}

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

// Calls `show` once `node` comes near the window.
function whenNear(node, show) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    show();
  }, { rootMargin: "400px" });
  observer.observe(node);
}
