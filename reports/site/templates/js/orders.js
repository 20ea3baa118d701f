// The order of methods by each aggregate: a click on a column orders by it.
function ordersSection(name) {
  const place = h("div", {});
  const section = h("section", {}, place);
  whenNear(section, async () => {
    const tables = (await load("orders"))[name] ?? [];
    if (!tables.length) return;
    section.setAttribute("aria-labelledby", `orders-${name}`);
    refill(place, h("h2", { id: `orders-${name}` }, "Order by aggregate"),
      h("p", { class: "fine" }, "Papers order methods by different numbers of the same table, and the winner changes with the number. A small figure is the place by that column."),
      tables.map(orderTable));
  });
  return section;
}

function orderTable(table) {
  const columns = [
    { title: "Method", rowHead: true, value: (row) => row.label, cell: (row) => row.label },
    ...table.columns.map((column) => ({
      title: column.title, tip: column.description, number: true, first: column.higher_is_better ? "descending" : "ascending",
      value: (row) => orderValue(row, column), text: (row) => number(orderValue(row, column), 2),
      cell: (row) => h("span", {}, number(orderValue(row, column), 2), row.places[column.name] ? h("sub", {}, ` ${row.places[column.name]}`) : null),
    })),
  ];
  const data = new DataTable({ label: `Aggregates, ${table.title}`, columns });
  data.setRows(table.rows);
  return h("figure", {}, h("figcaption", {}, table.title), data.node, h("p", { class: "fine" }, winnerWords(table)));
}

// A value in the scale of the table: shares in percent.
function orderValue(row, column) {
  const value = row.values[column.name] ?? null;
  return value === null || !column.higher_is_better ? value : 100 * value;
}

function winnerWords(table) {
  const titles = new Map(table.columns.map(({ name, title }) => [name, title.toLowerCase()]));
  const by = Map.groupBy(Object.entries(table.winners).filter(([name]) => titles.has(name)), ([, winner]) => winner);
  const parts = [...by].map(([winner, names]) => `${winner} by ${names.map(([name]) => titles.get(name)).join(", ")}`);
  return by.size > 1 ? `The winner depends on the aggregate: ${parts.join("; ")}.` : `The same winner by every aggregate: ${[...by.keys()][0]}.`;
}
