// Texts that lie over each other, measured from the layout of the page as it stands. Returns a list of complaints.
() => {
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest(".unseen, .skip, option, script, noscript") || !parent.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      let { left, right, top, bottom } = rect;
      // Letters fill about half of the height of their line.
      const inset = (bottom - top) / 4;
      top += inset;
      bottom -= inset;
      for (let above = parent; above; above = above.parentElement) {
        const style = getComputedStyle(above);
        if (style.overflowX === "visible" && style.overflowY === "visible") continue;
        const clip = above.getBoundingClientRect();
        [left, right] = [Math.max(left, clip.left), Math.min(right, clip.right)];
        [top, bottom] = [Math.max(top, clip.top), Math.min(bottom, clip.bottom)];
      }
      if (right - left > 2 && bottom - top > 2) boxes.push({ node, left, right, top, bottom });
    }
  }
  boxes.sort((a, b) => a.top - b.top);
  const found = [];
  boxes.forEach((one, i) => {
    for (let j = i + 1; j < boxes.length && boxes[j].top < one.bottom; j++) {
      const other = boxes[j];
      const [wide, high] = [Math.min(one.right, other.right) - Math.max(one.left, other.left), Math.min(one.bottom, other.bottom) - other.top];
      if (one.node !== other.node && wide > 2 && high > 2) found.push(`${one.node.textContent.trim().slice(0, 60)} | ${other.node.textContent.trim().slice(0, 60)}`);
    }
  });
  return found.slice(0, 8);
}
