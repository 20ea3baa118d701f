"""Relation of what a block retrieved to the quality of the video after it, in finished sweeps.

For every block that retrieved and every quality curve of the video, the change of the curve from
the clip before the block to the clips of the seconds after it. The relation is Spearman's rank
correlation within a video, so that easy and hard prompts are not mixed up, averaged over videos
with a bootstrap interval that draws whole prompts.

A correlation here is not an effect: drift itself changes which frames are similar.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from eval.retrieval.measures import redundancy
from eval.statistics import Interval, bootstrap_interval

AHEAD_S = 4.0
_FEWEST_BLOCKS = 8
PREDICTORS = {
    "similarity": "mean cosine of the retrieved frames to the query",
    "duplicates": "share of retrieved frames with another retrieved one within 3 latents",
    "spread_latents": "mean distance in time of two frames retrieved together",
    "age_latents": "mean age of a retrieved frame",
}


@dataclass(frozen=True)
class RetrievedBlock:
    """The frames that one block retrieved.

    Attributes:
        start_s: start of the block in the video.
        first_frame: its first latent frame.
        frames: retrieved latent frames.
        scores: their similarities, or None.
    """

    start_s: float
    first_frame: int
    frames: tuple[int, ...]
    scores: tuple[float, ...] | None


@dataclass(frozen=True)
class Curve:
    """A metric of one video over its clips.

    Attributes:
        start_s, end_s: of each clip.
        values: one per clip; NaN where there is none.
        sign: 1 if higher is better, -1 if lower is.
    """

    start_s: np.ndarray
    end_s: np.ndarray
    values: np.ndarray
    sign: int


@dataclass(frozen=True)
class Relation:
    """Correlation of a predictor with the change of a metric; positive: more of it, less drift.

    Attributes:
        mean: over videos; None, with a reason, if no video allows a correlation.
        interval: 95 %, clustered by prompt.
        num_videos: number of videos that allow a correlation.
        reason: why there is no mean.
    """

    mean: float | None
    interval: Interval | None
    num_videos: int
    reason: str | None


def predictors(block: RetrievedBlock) -> dict[str, float | None]:
    """Return the predictors of one block; None for those that do not apply."""
    if not block.frames:
        return dict.fromkeys(PREDICTORS)
    ages = [block.first_frame - frame for frame in block.frames]
    return {
        "similarity": float(np.mean(block.scores)) if block.scores else None,
        **redundancy(block.frames),
        "age_latents": float(np.mean(ages)),
    }


def change_after(curve: Curve, start_s: float) -> float | None:
    """Return how much the curve improves from the clip before `start_s` to the seconds after it.

    None if no clip ends before it or none lies in those seconds.
    """
    before = (curve.end_s <= start_s + 1e-6) & np.isfinite(curve.values)
    after = (
        (curve.start_s >= start_s - 1e-6)
        & (curve.end_s <= start_s + AHEAD_S + 1e-6)
        & np.isfinite(curve.values)
    )
    if not before.any() or not after.any():
        return None
    last = np.flatnonzero(before)[-1]
    return curve.sign * float(curve.values[after].mean() - curve.values[last])


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's correlation; None for constant values, which have no order."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)


def relate(
    videos: Sequence[tuple[Hashable, Sequence[RetrievedBlock], Curve]], predictor: str
) -> Relation:
    """Correlate a predictor with the change of a curve, over videos given with their prompts."""
    correlations, prompts = [], []
    for prompt, blocks, curve in videos:
        pairs = [
            (predictors(block)[predictor], change_after(curve, block.start_s)) for block in blocks
        ]
        known = [(a, b) for a, b in pairs if a is not None and b is not None]
        if len(known) < _FEWEST_BLOCKS:
            continue
        value = rank_correlation([a for a, _ in known], [b for _, b in known])
        if value is not None:
            correlations.append(value)
            prompts.append(prompt)
    if not correlations:
        return Relation(
            None, None, 0, f"no video has {_FEWEST_BLOCKS} blocks between which {predictor} differs"
        )
    return Relation(
        float(np.mean(correlations)),
        bootstrap_interval(correlations, prompts),
        len(correlations),
        None,
    )


def relate_all(
    videos: Mapping[str, Sequence[tuple[Hashable, Sequence[RetrievedBlock], Curve]]],
) -> dict[tuple[str, str], Relation]:
    """Correlate every predictor with every metric of `videos`."""
    return {
        (predictor, metric): relate(of_metric, predictor)
        for metric, of_metric in videos.items()
        for predictor in PREDICTORS
    }
