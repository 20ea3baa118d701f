"""Numbers that papers compute from several dimensions of VBench, and by which they order methods.

The aggregate picks the winner: by the mean of six a method with much motion gains what it loses in
every other dimension, by the average rank it doesn't.
"""

from __future__ import annotations

from collections.abc import Mapping

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
