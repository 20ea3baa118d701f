"""The average rank of LongLive-RAG's tables, and its interval over prompts."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from eval.metric import Direction
from eval.statistics.clusters import MIN_CLUSTERS, Interval, cluster_sums, resamples
from eval.statistics.memory import remembered


@dataclass(frozen=True)
class AverageRanks:
    """Ranks of competitors over several metrics.

    Attributes:
        average: mean rank of each competitor over the ranked metrics; None when none is ranked.
        by_metric: for each ranked metric the rank of each competitor, 1 the best.
        left_out: for each metric not ranked, the competitors without a value.
    """

    average: dict[str, float | None]
    by_metric: dict[str, dict[str, float]]
    left_out: dict[str, tuple[str, ...]]


def average_ranks(
    table: Mapping[str, Mapping[str, float | None]], directions: Mapping[str, Direction | str]
) -> AverageRanks:
    """Rank the competitors in each metric and average their ranks (LongLive-RAG's average rank).

    Equal values share the mean of their ranks. A metric that any competitor lacks (absent, None or
    not finite) is left out for all: ranks among different numbers of competitors do not average.

    Args:
        table: metric to competitor to value.
        directions: for each metric of `table`, whether higher or lower is better.
    """
    competitors = sorted({name for row in table.values() for name in row})
    by_metric: dict[str, dict[str, float]] = {}
    left_out: dict[str, tuple[str, ...]] = {}
    for metric, row in table.items():
        values = {name: row.get(name) for name in competitors}
        present = {name: v for name, v in values.items() if v is not None and math.isfinite(v)}
        if len(present) < len(competitors):
            left_out[metric] = tuple(name for name in competitors if name not in present)
        else:
            costs = np.array(list(present.values())) * _sign(directions[metric])
            by_metric[metric] = dict(zip(present, _ranks(costs).tolist(), strict=True))
    average = {
        name: float(np.mean([ranks[name] for ranks in by_metric.values()])) if by_metric else None
        for name in competitors
    }
    return AverageRanks(average, by_metric, left_out)


def rank_intervals(
    values_MRV: Sequence[np.ndarray],
    directions: Sequence[Direction | str],
    prompts: Sequence[Hashable],
    num_resamples: int = 2_000,
    seed: int = 0,
) -> list[Interval] | None:
    """Return 95 % bootstrap intervals of the average rank of each of R competitors.

    Each resample draws whole prompts, the same for all competitors and metrics, and ranks again.
    The interval shows how stable the order is, not where a true rank lies, which has only R
    possible values. The levels of the quantiles are widened for few prompts to
    Phi(-sqrt(G/(G-1)) * t) with t the quantile of G - 1 degrees of freedom (Hesterberg, "What
    Teachers Should Know About the Bootstrap", 2015, section 3.3).

    Args:
        values_MRV: per metric the values [competitor, video], all finite; column v is the same
            prompt and seed everywhere.
        directions: per metric, whether higher or lower is better.
        prompts: the prompt of each video.
        num_resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        An interval per competitor; None for fewer than `MIN_CLUSTERS` prompts or no metric.
    """
    if not values_MRV or len(set(prompts)) < MIN_CLUSTERS:
        return None
    # Sums per prompt [competitor, prompt]; the mean has one divisor for all competitors.
    sums = [
        np.stack([cluster_sums(values, prompts)[0] for values in values_RV]) * _sign(direction)
        for values_RV, direction in zip(values_MRV, directions, strict=True)
    ]
    return [Interval(low, high) for low, high in _bounds(sums, num_resamples, seed).tolist()]


@remembered
def _bounds(sums_MRP: Sequence[np.ndarray], num_resamples: int, seed: int) -> np.ndarray:
    """Return both ends of the interval of each competitor, a row each."""
    num_prompts = sums_MRP[0].shape[1]
    averages = np.concatenate(
        [
            np.mean([_ranks(drawn @ of_metric.T) for of_metric in sums_MRP], axis=0)
            for drawn in resamples(num_prompts, num_resamples, seed)
        ]
    )
    return np.stack([_percentiles(column, 0.95, num_prompts) for column in averages.T])


def _ranks(costs: np.ndarray) -> np.ndarray:
    """Return ranks along the last axis, 1 the lowest; equal ones share the mean of theirs.

    As `scipy.stats.rankdata`, whose import takes longer than the ranks of a report.
    """
    others = costs[..., None, :]
    lower = (others < costs[..., None]).sum(axis=-1)
    equal = (others == costs[..., None]).sum(axis=-1)
    return lower + (equal + 1) / 2


def _percentiles(averages: np.ndarray, level: float, num_clusters: int) -> np.ndarray:
    quantile = stdtrit(num_clusters - 1, (1 + level) / 2)
    tail = ndtr(-math.sqrt(num_clusters / (num_clusters - 1)) * quantile)
    return np.quantile(averages, [tail, 1 - tail])


def _sign(direction: Direction | str) -> int:
    return -1 if Direction(direction) is Direction.higher else 1
