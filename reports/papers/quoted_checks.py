"""Checks of published tables against themselves and against each other.

Papers copy rows from one another, and columns get exchanged on the way. A row that agrees with an
earlier table is named as its copy, so that it doesn't count as a second measurement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

from harness.core.errors import ConfigError
from reports.papers.quoted import QuotedRow, QuotedTable
from reports.papers.quoted_columns import AVERAGE_RANK
from reports.tables.aggregates import SIX, mean_dynamic_half, mean_of_six

_ROUNDING = 0.0101
"""Numbers with two decimals, of numbers with two decimals."""
_MEANS: Mapping[str, Callable[[Mapping[str, float | None]], float | None]] = {
    "mean_of_six": mean_of_six,
    "mean_dynamic_half": mean_dynamic_half,
}
_FEWEST_EQUAL = 3
"""Equal columns from which two rows are one measurement."""


def check_tables(tables: Sequence[QuotedTable]) -> None:
    """Recompute means and ranks, and compare rows with those they were copied from.

    Raises:
        ConfigError: names the table and the row.
    """
    by_id: dict[str, QuotedTable] = {}
    for table in tables:
        if table.id in by_id:
            raise ConfigError(f"{table.file}: two tables have the id {table.id!r}.")
        by_id[table.id] = table
    for table in tables:
        _check_rows(table)
        _check_means(table)
        _check_ranks(table)
        for row in table.rows:
            if row.copied_from is not None:
                _check_copy(table, row, by_id)
    _check_undeclared(tables)


def _check_rows(table: QuotedTable) -> None:
    keys = [row.key for row in table.rows]
    for row in table.rows:
        if keys.count(row.key) > 1:
            raise ConfigError(f"{_place(table, row)}: twice in one table.")


def _check_means(table: QuotedTable) -> None:
    for row in table.rows:
        for name, mean in _MEANS.items():
            given, computed = row.values.get(name), mean(row.values)
            if given is not None and computed is not None and abs(given - computed) > _ROUNDING:
                raise ConfigError(
                    f"{_place(table, row)}: {name} is {given:g}, but its columns give "
                    f"{computed:.2f}."
                )


def _check_ranks(table: QuotedTable) -> None:
    if all(AVERAGE_RANK not in row.values for row in table.rows):
        return
    if table.ranked is None:
        raise ConfigError(
            f"{table.file}, {table.id}: {AVERAGE_RANK} needs `ranked`, backbone or table."
        )
    groups: dict[tuple[object, ...], list[QuotedRow]] = defaultdict(list)
    for row in table.rows:
        groups[row.backbone if table.ranked == "backbone" else "", row.duration_s].append(row)
    for rows in groups.values():
        if any(name not in row.values for row in rows for name in SIX):
            raise ConfigError(f"{_place(table, rows[0])}: {AVERAGE_RANK} needs all six dimensions.")
        for row in rows:
            low, high = _rank_bounds(row, rows)
            given = row.values.get(AVERAGE_RANK)
            if given is not None and not low - _ROUNDING <= given <= high + _ROUNDING:
                raise ConfigError(
                    f"{_place(table, row)}: {AVERAGE_RANK} is {given:g}, but the columns give "
                    f"{low:.2f} to {high:.2f}."
                )


def _rank_bounds(row: QuotedRow, rows: Sequence[QuotedRow]) -> tuple[float, float]:
    """Return the best and the worst average rank that the printed numbers of a row allow.

    Numbers that are equal as printed may have been ranked by digits that are not.
    """
    above, not_below = 0, 0
    for name in SIX:
        values = [other.values[name] for other in rows]
        above += sum(value > row.values[name] for value in values)
        not_below += sum(value >= row.values[name] for value in values)
    return 1 + above / len(SIX), not_below / len(SIX)


def _check_copy(table: QuotedTable, row: QuotedRow, by_id: Mapping[str, QuotedTable]) -> None:
    origin = by_id.get(str(row.copied_from))
    source = next((r for r in origin.rows if r.key == row.key), None) if origin else None
    if source is None:
        raise ConfigError(f"{_place(table, row)}: no such row in {row.copied_from!r}.")
    for name, value in row.values.items():
        other = name
        if name in row.swapped:
            other = row.swapped[1 - row.swapped.index(name)]
        expected = source.values.get(other)
        # An aggregate is over the rows and columns of its own table.
        if expected is not None and name != AVERAGE_RANK and expected != value:
            raise ConfigError(
                f"{_place(table, row)}: {name} is {value:g}, but {expected:g} in {row.copied_from}."
            )


def _check_undeclared(tables: Sequence[QuotedTable]) -> None:
    """Refuse rows that repeat another table's, or exchange its columns, without saying so."""
    for (table, row), (other, earlier) in _same_model(tables):
        if table.protocol.clips != other.protocol.clips:
            continue
        shared = [n for n in row.values if n in earlier.values and n != AVERAGE_RANK]
        equal = [name for name in shared if row.values[name] == earlier.values[name]]
        if len(equal) >= _FEWEST_EQUAL and len(equal) == len(shared):
            raise ConfigError(
                f"{_place(table, row)}: the numbers of {other.id}; say copied_from: {other.id}."
            )
        for a, b in combinations(shared, 2):
            values, original = row.values, earlier.values
            if values[a] == original[b] != original[a] == values[b]:
                raise ConfigError(
                    f"{_place(table, row)}: {a} and {b} look swapped against {other.id}; say "
                    f"copied_from: {other.id} and swapped: [{a}, {b}], or correct them."
                )


def _same_model(
    tables: Sequence[QuotedTable],
) -> Iterator[tuple[tuple[QuotedTable, QuotedRow], tuple[QuotedTable, QuotedRow]]]:
    """Yield pairs of own measurements of one backbone, method and length."""
    measured: dict[object, list[tuple[QuotedTable, QuotedRow]]] = defaultdict(list)
    for table in tables:
        for row in table.rows:
            if row.copied_from is None:
                for earlier in measured[row.key]:
                    yield (table, row), earlier
                measured[row.key].append((table, row))


def _place(table: QuotedTable, row: QuotedRow) -> str:
    return f"{table.file}, {table.id}, {row.backbone} {row.method}"
