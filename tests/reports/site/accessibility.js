// Checks of WCAG 2.2 that a machine can make, on the page as it stands. Returns a list of complaints.
// Every rule is proved by test_accessibility.py to find what it is for.
() => {
  const complaints = [];
  const complain = (node, text) => complaints.push(`${text}: ${node.outerHTML.slice(0, 160)}`);
  const visible = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && node.getClientRects().length > 0;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)].filter(visible);
  const textOf = (node) => node.textContent.replace(/\s+/g, " ").trim();

  function name(node) {
    const labelled = node.getAttribute("aria-labelledby");
    if (labelled) return labelled.split(/\s+/).map((id) => textOf(document.getElementById(id) ?? document.createElement("i"))).join(" ").trim();
    if (node.getAttribute("aria-label")) return node.getAttribute("aria-label").trim();
    if (node.labels?.length) return [...node.labels].map(textOf).join(" ");
    if (node.tagName === "IMG") return (node.getAttribute("alt") ?? "").trim();
    const inside = [...node.querySelectorAll("img[alt], [aria-label]")].map((one) => one.getAttribute("alt") ?? one.getAttribute("aria-label")).join(" ");
    return `${textOf(node)} ${inside}`.trim();
  }

  // Names and roles.
  for (const node of all("a[href], button, input, select, textarea, summary, [role=button], [role=region], [role=img], video, dialog[open]")) {
    if (!name(node) && !node.closest("[aria-hidden=true]")) complain(node, "has no name");
  }
  for (const node of all("img")) if (!node.hasAttribute("alt")) complain(node, "picture without alt");
  for (const node of all("svg")) if (node.getAttribute("aria-hidden") !== "true" && !(node.getAttribute("role") === "img" && name(node))) complain(node, "drawing neither hidden nor named");
  for (const node of all("table")) if (!all("th", node).length || all("th:not([scope])", node).length) complain(node, "table without heads that have a scope");
  for (const node of all("[aria-hidden=true]")) if (node.matches("a, button, input, select, [tabindex]") || node.querySelector("a[href], button, input, select, [tabindex]")) complain(node, "hidden from readers but reached by keyboard");

  // Structure.
  if (!document.documentElement.lang) complaints.push("the page has no language");
  if (!document.title) complaints.push("the page has no title");
  if (all("main").length !== 1) complaints.push("not one main landmark");
  if (all("h1").length !== 1) complaints.push(`${all("h1").length} headings of level 1`);
  let level = 0;
  for (const node of all("main h1, main h2, main h3, main h4")) {
    const now = Number(node.tagName[1]);
    if (now > level + 1) complain(node, `heading jumps from ${level} to ${now}`);
    level = now;
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) complaints.push(`id ${id} is used twice`);
  for (const attribute of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const node of all(`[${attribute}]`)) {
      for (const id of node.getAttribute(attribute).split(/\s+/)) if (!document.getElementById(id)) complain(node, `${attribute} names nothing`);
    }
  }
  const regions = all("[role=region], nav, dialog[open]").map(name);
  for (const one of new Set(regions)) if (regions.filter((other) => other === one).length > 1) complaints.push(`two regions are called ${one}`);

  // Keyboard.
  for (const node of document.querySelectorAll("[tabindex]")) if (Number(node.getAttribute("tabindex")) > 0) complain(node, "changes the order of tabs");
  for (const node of all("*")) {
    const { overflowX, overflowY } = getComputedStyle(node);
    const scrolls = (/auto|scroll/.test(overflowX) && node.scrollWidth > node.clientWidth + 1) || (/auto|scroll/.test(overflowY) && node.scrollHeight > node.clientHeight + 1);
    if (scrolls && node !== document.documentElement && node.tabIndex < 0 && !all("a[href], button, input, select", node).length) complain(node, "scrolls, but not by keyboard");
  }

  // Targets of at least 24 by 24 CSS pixels, or apart from others, or in a line of text.
  for (const node of all("button, select, input:not([type=radio]), summary")) {
    const target = node.type === "checkbox" && node.closest("label") ? node.closest("label") : node;
    const box = target.getBoundingClientRect();
    if (Math.min(box.width, box.height) < 23.5 && !(node.type === "range")) complain(node, `target of ${box.width.toFixed(0)} by ${box.height.toFixed(0)} px`);
  }

  // Contrast of text with what lies behind it.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function rgba(colour) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  }
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) && (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  function ground(node) {
    const layers = [];
    for (let one = node; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      if (style.backgroundImage !== "none" && !one.matches(".whisker, .ramp, .strip")) return null;
      layers.push(rgba(style.backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || seen.has(node) || !visible(node) || node.closest("svg, .unseen, option, script, style, noscript, .faded, :disabled, [aria-hidden=true]")) continue;
    seen.add(node);
    const behind = ground(node);
    if (!behind) continue;
    const style = getComputedStyle(node);
    const [a, b] = [luminance(over(rgba(style.color), behind)), luminance(behind)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < needed - 0.005) complain(node, `contrast ${ratio.toFixed(2)} of ${needed}`);
  }
  return complaints;
}
