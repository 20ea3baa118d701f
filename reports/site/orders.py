"""data/orders.js: the order of methods by each aggregate, measured and quoted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from reports.papers.quoted import Quoted, QuotedTable
from reports.papers.spread import MEASURED_AS
from reports.site import schema
from reports.site.data_files import exact
from reports.tables.aggregates import AGGREGATES, SIX, aggregates, orders
from reports.tables.formatting import seconds
from reports.tables.table import Comparison

QUOTED = "quoted"
_FEWEST = 2


def order_tables(
    comparisons: Sequence[Comparison], quoted: Quoted
) -> dict[str, list[schema.OrderTable]]:
    """Return the tables of suites that have VBench's dimensions, and of quoted tables.

    Returns:
        By suite, and for published numbers under `QUOTED`.
    """
    found: dict[str, list[schema.OrderTable]] = defaultdict(list)
    prefixes = dict(MEASURED_AS.values())
    for comparison in comparisons:
        prefix = prefixes.get(comparison.kind)
        if prefix is None:
            continue
        for group in comparison.groups:
            rows = {
                row.method: {n.removeprefix(prefix): cell.mean for n, cell in row.cells.items()}
                for row in group.rows
                if row.competes
            }
            title = f"{group.backbone}, {group.prompt_set}, {seconds(comparison.duration_s)}"
            found[comparison.suite] += _tables(title, rows)
    for table in quoted.tables:
        for title, published in _quoted_rows(table):
            found[QUOTED] += _tables(title, published)
    return dict(found)


def _quoted_rows(table: QuotedTable) -> Iterator[tuple[str, Mapping[str, Mapping[str, float]]]]:
    """Yield rows that compete: of one backbone where the ranks of the table are by backbone."""
    largest = {column.name: column.high or 1.0 for column in table.columns}
    groups: dict[str, dict[str, Mapping[str, float]]] = defaultdict(dict)
    for row in table.rows:
        if not all(name in row.values for name in SIX):
            continue
        by_backbone = table.ranked == "backbone"
        title = f"{table.title}: {row.backbone}" if by_backbone else table.title
        plain = row.backbone if row.method == "native" else f"{row.method} on {row.backbone}"
        label = row.method if by_backbone else plain
        groups[title][label] = {name: v / largest[name] for name, v in row.values.items()}
    yield from groups.items()


def _tables(
    title: str, rows: Mapping[str, Mapping[str, float | None]]
) -> Iterator[schema.OrderTable]:
    """Yield the table of the rows, where there are some to order."""
    values = aggregates(rows) if rows else {}
    ordered = orders(values)
    if len(rows) < _FEWEST or not ordered:
        return
    yield schema.OrderTable(
        title=title,
        columns=[
            schema.OrderColumn(name, one.title, one.description, one.higher_is_better)
            for name, one in AGGREGATES.items()
            if any(row[name] is not None for row in values.values())
        ],
        rows=[
            schema.OrderRow(
                label=label,
                values={name: exact(value) for name, value in row.items()},
                places={name: order.index(label) + 1 for name, order in ordered.items()},
            )
            for label, row in values.items()
        ],
        winners={name: order[0] for name, order in ordered.items()},
    )
