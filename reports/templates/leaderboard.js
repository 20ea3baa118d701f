// Sorting and filtering of the leaderboard tables.

// Numbers by size, words by alphabet, cells without a value last in both directions.
function compareCells(a, b, sign) {
  const [x, y] = [a.dataset.value, b.dataset.value];
  if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
  const [m, n] = [Number(x), Number(y)];
  return sign * (Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y) : m - n);
}

function sortBy(head, button) {
  const table = head.closest("table");
  const now = head.getAttribute("aria-sort");
  const flipped = { ascending: "descending", descending: "ascending" };
  const order = now ? flipped[now] : button.dataset.first;
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  for (const body of table.tBodies) {
    const rows = [...body.rows];
    rows.sort((a, b) => compareCells(a.cells[head.cellIndex], b.cells[head.cellIndex], sign));
    body.append(...rows);
  }
}

function filterRows() {
  const duration = document.querySelector("input[name=duration]:checked")?.value;
  const backbone = document.getElementById("backbone-filter").value;
  for (const body of document.querySelectorAll(".leaderboard tbody")) {
    body.hidden = body.dataset.duration !== duration;
    for (const row of body.rows) row.hidden = backbone !== "" && row.dataset.backbone !== backbone;
  }
}

const filters = document.getElementById("filters");
if (filters) {
  filters.addEventListener("change", filterRows);
  filterRows();
  for (const button of document.querySelectorAll(".leaderboard th button")) {
    button.addEventListener("click", () => sortBy(button.closest("th"), button));
  }
}
