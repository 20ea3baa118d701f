"""The final scores: dimensions normalised and weighted.

Source: VBench, scripts/constant.py and cal_final_score.py; long videos have the same constants. The
official script counts a missing dimension as a score of 0. Here a sum that lacks a dimension is
None, and the missing dimensions are listed; the official number is given under its own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Range and weight of a dimension."""

    minimum: float
    maximum: float
    weight: float = 1.0

    def normalised(self, score: float) -> float:
        """Return (score - minimum) / (maximum - minimum), not limited to 0..1."""
        return (score - self.minimum) / (self.maximum - self.minimum)


QUALITY = {
    "subject_consistency": Scale(0.1462, 1.0),
    "background_consistency": Scale(0.2615, 1.0),
    "temporal_flickering": Scale(0.6293, 1.0),
    "motion_smoothness": Scale(0.706, 0.9975),
    "dynamic_degree": Scale(0.0, 1.0, weight=0.5),
    "aesthetic_quality": Scale(0.0, 1.0),
    "imaging_quality": Scale(0.0, 1.0),
}
SEMANTIC = {
    "object_class": Scale(0.0, 1.0),
    "multiple_objects": Scale(0.0, 1.0),
    "human_action": Scale(0.0, 1.0),
    "color": Scale(0.0, 1.0),
    "spatial_relationship": Scale(0.0, 1.0),
    "scene": Scale(0.0, 0.8222),
    "appearance_style": Scale(0.0009, 0.2855),
    "temporal_style": Scale(0.0, 0.364),
    "overall_consistency": Scale(0.0, 0.364),
}
QUALITY_WEIGHT, SEMANTIC_WEIGHT = 4, 1


@dataclass(frozen=True)
class FinalScores:
    """Weighted means over dimensions.

    Attributes:
        normalised: normalised score of each dimension that has one.
        quality: weighted mean of the seven quality dimensions; None if one is missing.
        semantic: likewise of the nine semantic ones, of which this suite computes one.
        total: (4 quality + semantic) / 5; None if either is.
        missing: dimensions without a score.
        official_zero_filled: quality, semantic and total as the official script gives them, every
            missing dimension counted as a score of 0.
    """

    normalised: dict[str, float]
    quality: float | None
    semantic: float | None
    total: float | None
    missing: tuple[str, ...]
    official_zero_filled: dict[str, float]


def final_scores(scores: Mapping[str, float | None]) -> FinalScores:
    """Return the final scores of one row.

    Args:
        scores: by dimension; None or absent where there is none. Imaging quality as 0..1.
    """
    scales = QUALITY | SEMANTIC
    known = {name: score for name in scales if (score := scores.get(name)) is not None}
    quality, semantic = _mean(QUALITY, known), _mean(SEMANTIC, known)
    filled = {name: known.get(name, 0.0) for name in scales}
    zero_quality, zero_semantic = _mean(QUALITY, filled), _mean(SEMANTIC, filled)
    assert zero_quality is not None and zero_semantic is not None
    return FinalScores(
        normalised={name: scales[name].normalised(score) for name, score in known.items()},
        quality=quality,
        semantic=semantic,
        total=None if quality is None or semantic is None else _total(quality, semantic),
        missing=tuple(name for name in scales if name not in known),
        official_zero_filled={
            "quality": zero_quality,
            "semantic": zero_semantic,
            "total": _total(zero_quality, zero_semantic),
        },
    )


def _mean(scales: Mapping[str, Scale], scores: Mapping[str, float]) -> float | None:
    if any(name not in scores for name in scales):
        return None
    weighted = sum(scale.weight * scale.normalised(scores[name]) for name, scale in scales.items())
    return weighted / sum(scale.weight for scale in scales.values())


def _total(quality: float, semantic: float) -> float:
    both = QUALITY_WEIGHT * quality + SEMANTIC_WEIGHT * semantic
    return both / (QUALITY_WEIGHT + SEMANTIC_WEIGHT)
