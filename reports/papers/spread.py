"""The spread of published numbers of one and the same model, and our own interval beside it.

Rows that a paper copied from another one are not measurements and don't count. Numbers of different
clip protocols are never brought together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eval.metric import Kind
from eval.vbench_long.final_scores import QUALITY, SEMANTIC
from reports.papers.quoted import Quoted, QuotedRow, QuotedTable
from reports.tables.formatting import bounds
from reports.tables.table import Cell, Comparison, Row

MEASURED_AS = {
    "vbench_long": (Kind.vbench_long, ""),
    "whole_video": (Kind.vbench_whole, "whole_"),
}
"""The kind of our own numbers on the scale of a clip protocol, and the prefix of its metrics."""


@dataclass(frozen=True)
class Reported:
    """A published number: the title of its table, and its value in percent."""

    table: str
    value: float


@dataclass(frozen=True)
class Measured:
    """Our own number, in percent.

    Attributes:
        row: method and backbone of the row.
        value: mean over the prompts.
        low, high: 95 % interval; None for few prompts.
        num_prompts: the mean is over.
    """

    row: str
    value: float
    low: float | None
    high: float | None
    num_prompts: int


@dataclass(frozen=True)
class MetricSpread:
    """One dimension of one model.

    Attributes:
        title: of the dimension.
        reported: one number per table, from the lowest to the highest.
        measured: of the rows of this report that are the same model.
    """

    title: str
    reported: tuple[Reported, ...]
    measured: tuple[Measured, ...]


@dataclass(frozen=True)
class Spread:
    """One model at one length and clip protocol.

    Attributes:
        backbone, method: as the publications name them.
        duration_s: length of the videos.
        clips: one of `reports.papers.quoted.CLIPS`.
        metrics: those that at least one table has.
    """

    backbone: str
    method: str
    duration_s: float
    clips: str
    metrics: tuple[MetricSpread, ...]


def spreads(quoted: Quoted, comparisons: Sequence[Comparison]) -> list[Spread]:
    """Return the models that several tables measured, or that a table and this report did.

    Args:
        quoted: the published tables.
        comparisons: the tables of this report.
    """
    groups: dict[tuple[str, str, float, str], list[tuple[QuotedTable, QuotedRow]]]
    groups = defaultdict(list)
    for table in quoted.tables:
        for row in table.rows:
            if row.copied_from is None and row.duration_s is not None:
                key = (row.backbone, row.method, row.duration_s, table.protocol.clips)
                groups[key].append((table, row))
    found = []
    for (backbone, method, duration_s, clips), rows in groups.items():
        own = list(_own_rows(quoted, comparisons, backbone, method, duration_s, clips))
        if len(rows) > 1 or own:
            metrics = tuple(_metrics(rows, own, MEASURED_AS.get(clips, (None, ""))[1]))
            found.append(Spread(backbone, method, duration_s, clips, metrics))
    return sorted(found, key=lambda one: (one.clips != "vbench_long", one.duration_s))


def _own_rows(
    quoted: Quoted,
    comparisons: Sequence[Comparison],
    backbone: str,
    method: str,
    duration_s: float,
    clips: str,
) -> Iterator[Row]:
    backbones = quoted.backbones.get(backbone, (backbone,))
    methods = quoted.methods.get(method, (method,))
    kind, _ = MEASURED_AS.get(clips, (None, ""))
    for comparison in comparisons:
        if comparison.kind is kind and comparison.duration_s == duration_s:
            for row in comparison.rows:
                if row.backbone in backbones and row.method in methods:
                    yield row


def _metrics(
    rows: Sequence[tuple[QuotedTable, QuotedRow]], own: Sequence[Row], prefix: str
) -> Iterator[MetricSpread]:
    for name in (*QUALITY, *SEMANTIC):
        reported = []
        title = ""
        for table, row in rows:
            for column in table.columns:
                if column.name == name and name in row.values and column.high:
                    title = column.title
                    reported.append(Reported(table.title, _percent(row.values[name], column.high)))
        if reported:
            own_name = f"{prefix}{name}"
            measured = [(row, row.cells[own_name]) for row in own if own_name in row.cells]
            yield MetricSpread(
                title,
                tuple(sorted(reported, key=lambda one: one.value)),
                tuple(_measured(row, cell) for row, cell in measured if cell.mean is not None),
            )


def _measured(row: Row, cell: Cell) -> Measured:
    assert cell.mean is not None
    low, high = (None if end is None else _percent(end, 1.0) for end in bounds(cell.interval))
    name = f"{row.method} on {row.backbone}"
    return Measured(name, _percent(cell.mean, 1.0), low, high, cell.num_prompts)


def _percent(value: float, largest: float) -> float:
    return round(100 * value / largest, 4)
