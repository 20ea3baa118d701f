"""Numbers that papers compute from several dimensions of VBench, and by which they order methods.

The aggregate picks the winner: by the mean of six a method with much motion gains what it loses in
every other dimension, by the average rank it doesn't.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eval.metric import Direction
from eval.statistics.ranks import average_ranks
from eval.vbench_long.final_scores import final_scores

SIX = (
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)
"""The dimensions that nearly every paper on long videos reports."""
_HALF = {"dynamic_degree": 0.5}


def mean_of_six(scores: Mapping[str, float | None]) -> float | None:
    """Return the plain mean of `SIX` (Relax Forcing's "Average"); None if one is missing."""
    return _weighted(scores, {})


def mean_dynamic_half(scores: Mapping[str, float | None]) -> float | None:
    """Return the mean of `SIX`, dynamic degree weighted half (FadeMem); None if one is missing."""
    return _weighted(scores, _HALF)


def _weighted(scores: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    total = 0.0
    for name in SIX:
        score = scores.get(name)
        if score is None:
            return None
        total += weights.get(name, 1.0) * score
    return total / sum(weights.get(name, 1.0) for name in SIX)


@dataclass(frozen=True)
class Aggregate:
    """A number that orders methods.

    Attributes:
        title: heading of its column.
        description: its definition.
        higher_is_better: direction of its values.
    """

    title: str
    description: str
    higher_is_better: bool = True


_OF_SIX = "subject and background consistency, motion smoothness, dynamic degree, aesthetic and "
_OF_SIX += "imaging quality"
AGGREGATES: Mapping[str, Aggregate] = {
    "average_rank": Aggregate(
        "Average rank", f"Mean of the ranks in {_OF_SIX}; ties averaged, 1 is best.", False
    ),
    "mean_of_six": Aggregate("Mean of six", f"Plain mean of {_OF_SIX}."),
    "mean_dynamic_half": Aggregate(
        "Mean, dynamic half", "The mean of six with dynamic degree weighted half."
    ),
    "quality": Aggregate(
        "Quality", "VBench's quality score: seven dimensions normalised, dynamic degree half."
    ),
    "consistency": Aggregate("Consistency", "Mean of subject and background consistency."),
    "aesthetic": Aggregate("Aesthetic", "Aesthetic quality alone."),
    "total": Aggregate(
        "Total", "VBench's total score, (4 quality + semantic) / 5; needs all sixteen dimensions."
    ),
}
"""Aggregates of papers on long videos, in the order of a table."""


def aggregates(
    rows: Mapping[str, Mapping[str, float | None]],
) -> dict[str, dict[str, float | None]]:
    """Return every aggregate of every row.

    Args:
        rows: scores as shares (0..1) by dimension of VBench, of rows that compete.

    Returns:
        By row and name of `AGGREGATES`; None where a dimension is missing. A rank needs the
        dimensions of all rows.
    """
    ranks = average_ranks(
        {name: {label: scores.get(name) for label, scores in rows.items()} for name in SIX},
        dict.fromkeys(SIX, Direction.higher),
    )
    found: dict[str, dict[str, float | None]] = {}
    for label, scores in rows.items():
        subject, background = scores.get(SIX[0]), scores.get(SIX[1])
        both = None if subject is None or background is None else (subject + background) / 2
        official = final_scores(scores)
        found[label] = {
            "average_rank": None if ranks.left_out else ranks.average[label],
            "mean_of_six": mean_of_six(scores),
            "mean_dynamic_half": mean_dynamic_half(scores),
            "quality": official.quality,
            "consistency": both,
            "aesthetic": scores.get("aesthetic_quality"),
            "total": official.total,
        }
    return found


def orders(rows: Mapping[str, Mapping[str, float | None]]) -> dict[str, tuple[str, ...]]:
    """Return the rows from best to worst, by each aggregate that all rows have.

    Args:
        rows: of `aggregates`.
    """
    found = {}
    for name, aggregate in AGGREGATES.items():
        values = {label: row[name] for label, row in rows.items()}
        known = {label: value for label, value in values.items() if value is not None}
        if known and len(known) == len(values):
            sign = -1 if aggregate.higher_is_better else 1
            found[name] = tuple(sorted(known, key=lambda label: sign * known[label]))
    return found
