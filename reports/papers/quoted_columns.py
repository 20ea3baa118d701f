"""Columns that a published table may have: titles and ranges."""

from __future__ import annotations

from dataclasses import dataclass

from eval.vbench_long.final_scores import QUALITY, SEMANTIC

SCALES = {"percent": 100.0, "share": 1.0}
"""Units of published numbers of VBench, and their largest value."""
AVERAGE_RANK = "average_rank"
_AGGREGATES = {
    "mean_of_six": "Mean of six",
    "mean_dynamic_half": "Mean, dynamic half",
    "quality_score": "Quality score",
    "total_score": "Total score",
}


@dataclass(frozen=True)
class QuotedColumn:
    """A column of a published table.

    Attributes:
        name: a dimension of VBench, an aggregate, or a name of the table's own.
        title: heading of the column.
        low, high: smallest and largest possible value; None without a limit.
        higher_is_better: direction of its values.
    """

    name: str
    title: str
    low: float | None
    high: float | None
    higher_is_better: bool = True


def known_column(name: str, unit: str) -> QuotedColumn | None:
    """Return a dimension of VBench or an aggregate; None for any other name.

    Args:
        name: of the column.
        unit: one of `SCALES`.
    """
    if name == AVERAGE_RANK:
        return QuotedColumn(name, "Average rank", 1.0, None, higher_is_better=False)
    if name in QUALITY or name in SEMANTIC:
        return QuotedColumn(name, name.replace("_", " ").capitalize(), 0.0, SCALES[unit])
    if name in _AGGREGATES:
        return QuotedColumn(name, _AGGREGATES[name], 0.0, SCALES[unit])
    return None


def known_names() -> tuple[str, ...]:
    """Return the names that need no title and no range of their own."""
    return (*QUALITY, *SEMANTIC, *_AGGREGATES, AVERAGE_RANK)
