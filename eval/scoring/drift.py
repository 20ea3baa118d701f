"""Change of a metric over the time of a video, which a mean over clips does not show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Drift:
    """Change of a metric's curve over one duration; a clip counts at the middle of its time.

    Attributes:
        slope_per_min: of the least-squares line through the curve, per minute.
        early_half: mean of the curve over the clips before the middle of the duration.
        late_half: mean over the other clips.
        late_similarity: mean similarity of the late clips' features to the first clip's; None for a
            metric that keeps no features.
    """

    slope_per_min: float
    early_half: float
    late_half: float
    late_similarity: float | None


def drift(
    middles_s: Sequence[float],
    values: Sequence[float],
    similarities: Sequence[float] | None,
    duration_s: float,
) -> Drift | None:
    """Return the drift of one duration.

    Args:
        middles_s: the middle of each clip, in seconds from the start.
        values: the curve.
        similarities: of each clip to the first, or None.
        duration_s: length of the duration.

    Returns:
        None unless both halves hold a clip.
    """
    late = np.asarray(middles_s) >= duration_s / 2
    if late.all() or not late.any():
        return None
    curve = np.asarray(values, dtype=np.float64)
    slope = float(np.polyfit(np.asarray(middles_s) / 60, curve, 1)[0])
    similarity = None if similarities is None else float(np.asarray(similarities)[late].mean())
    return Drift(slope, float(curve[~late].mean()), float(curve[late].mean()), similarity)


def similarity(a_D: np.ndarray, b_D: np.ndarray) -> float:
    """Return the cosine of two unit vectors, negative values set to 0."""
    return max(0.0, float(a_D @ b_D))
