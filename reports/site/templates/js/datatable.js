// A table that sorts; long ones draw only the rows in view.
const MANY = 120; // rows from which only those in view are drawn
const OVERSCAN = 12;

class DataTable {
  // columns: {title, tip, number, first (order of the first click), value(row), cell(row), text(row)
  // (of copies, if it is not the value)}. separator.node(row) is drawn above the rows of each
  // separator.key(row), within which rows are sorted.
  constructor({ label, columns, headings, rowClass, separator, sorted, onSort }) {
    Object.assign(this, { columns, rowClass, separator, onSort });
    this.sort = sorted ?? { column: -1, order: null };
    this.rows = [];
    this.shown = [];
    this.body = h("tbody", {});
    this.heads = columns.map((column, i) => this.head(column, i));
    const above = headings ? h("tr", { class: "headings" }, headings.map(([text, span, name]) =>
      (text ? h("th", { colspan: span, scope: "colgroup", class: "heading" }, text) : h("td", { colspan: span, class: name ?? null })))) : null;
    this.table = h("table", { class: "data" }, h("caption", { class: "unseen" }, `${label}. Click a column head to sort.`), h("thead", {}, above, h("tr", {}, this.heads)), this.body);
    this.view = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label, scroll: () => this.draw() }, this.table);
    this.node = h("div", {}, this.view, copyLine(label, (format) => this.texts(format)));
    this.markHead();
    unseen.set(this.node, () => this.showWhole());
  }

  // Draws all rows, for paper.
  showWhole() {
    this.whole = true;
    this.setRows(this.rows);
  }

  head(column, i) {
    const attributes = { scope: "col", class: [column.number ? "number" : "", column.className?.(null) ?? ""].join(" ").trim() || null };
    if (!column.value) return h("th", attributes, typeof column.title === "string" ? h("span", {}, column.title) : column.title);
    return h("th", attributes, h("button", { type: "button", "data-tip": column.tip ?? null, click: () => this.sortBy(i) }, column.title));
  }

  sortBy(i) {
    const flipped = { ascending: "descending", descending: "ascending" };
    const first = this.columns[i].first ?? "ascending";
    const order = this.sort.column !== i ? first : this.sort.order === first ? flipped[first] : null;
    this.sort = order ? { column: i, order } : { column: -1, order: null };
    this.markHead();
    this.setRows(this.rows);
    this.onSort?.(this.sort);
    announce(order ? `Sorted by ${this.columns[i].title}, ${order}.` : "In the order of the sweep.");
  }

  markHead() {
    this.heads.forEach((head, i) => {
      if (i === this.sort.column) head.setAttribute("aria-sort", this.sort.order);
      else head.removeAttribute("aria-sort");
    });
  }

  setRows(rows) {
    this.rows = rows;
    const groups = this.separator ? [...Map.groupBy(rows, this.separator.key).values()] : [rows];
    this.shown = groups.flatMap((group) => [...(this.separator ? [{ separator: group[0] }] : []), ...this.sorted(group)]);
    this.table.setAttribute("aria-rowcount", this.shown.length + this.table.tHead.rows.length);
    this.windowed = !this.whole && this.shown.length > MANY;
    this.view.classList.toggle("windowed", this.windowed);
    this.drawn = null;
    this.draw();
  }

  sorted(rows) {
    const { column, order } = this.sort;
    if (column < 0) return rows;
    const keyed = rows.map((row) => [this.columns[column].value(row), row]);
    const sign = order === "ascending" ? 1 : -1;
    keyed.sort(([a], [b]) => compareValues(a, b, sign));
    return keyed.map(([, row]) => row);
  }

  draw() {
    const many = this.windowed;
    const height = many ? this.rowHeight() : 0;
    const first = many ? Math.max(0, Math.floor(this.view.scrollTop / height) - OVERSCAN) : 0;
    const count = many ? Math.ceil(this.view.clientHeight / height) + 2 * OVERSCAN : this.shown.length;
    const last = Math.min(this.shown.length, first + count);
    if (this.drawn && this.drawn[0] === first && this.drawn[1] === last) return;
    this.drawn = [first, last];
    const rows = this.shown.slice(first, last).map((row, i) => this.row(row, first + i));
    const spacer = (rowsAway) => (many && rowsAway ? setStyle(h("tr", { class: "spacer", "aria-hidden": "true" }, h("td", { colspan: this.columns.length })), "height", `${rowsAway * height}px`) : null);
    const nothing = this.shown.length ? null : h("tr", {}, h("td", { colspan: this.columns.length, class: "empty" }, "No row matches these filters."));
    const focus = this.body.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    refill(this.body, ...[spacer(first), ...rows, nothing, spacer(this.shown.length - last)].filter(Boolean));
    if (focus) this.body.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  }

  // Heads and all lines as texts; those of CSV are the plain values.
  texts(format) {
    const columns = this.columns.filter(({ value, text }) => value || text);
    // Twelve digits are those of the data without the noise of sums.
    const plain = (value) => (value === null || value === undefined ? "" : String(typeof value === "number" ? Number(value.toPrecision(12)) : value));
    const textOf = (column, row) => (format === "CSV" || !column.text ? plain(column.value(row)) : column.text(row));
    const lines = this.shown.filter((row) => !row.separator).map((row) => columns.map((column) => textOf(column, row)));
    return [columns.map(({ title }) => title), lines];
  }

  row(row, index) {
    const attributes = { "aria-rowindex": index + this.table.tHead.rows.length + 1 };
    if (row.separator) return h("tr", { ...attributes, class: "separator" }, h("td", { colspan: this.columns.length }, this.separator.node(row.separator)));
    return h("tr", { ...attributes, class: this.rowClass?.(row) ?? null }, this.columns.map((column) =>
      h(column.rowHead ? "th" : "td", { scope: column.rowHead ? "row" : null, class: [column.number ? "number" : "", column.className?.(row) ?? ""].join(" ").trim() || null }, column.cell(row))));
  }

  rowHeight() {
    if (!this.measured) {
      const row = this.row(this.shown.find((one) => !one.separator), 0);
      refill(this.body, row);
      this.measured = row.getBoundingClientRect().height || 40;
    }
    return this.measured;
  }
}

function setStyle(node, name, value) {
  node.style.setProperty(name, value);
  return node;
}

// Numbers by size, words by alphabet, rows without a value last in both directions.
function compareValues(a, b, sign) {
  const [none, other] = [a === null || a === undefined, b === null || b === undefined];
  if (none || other) return none - other;
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
}
