"""Means with honest uncertainty, and average ranks.

Videos of one prompt are alike, so they are no independent samples: standard errors and bootstrap
intervals treat a prompt as one cluster. To compare two methods, pass the differences of their
paired videos (same prompt and seed) as values.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from eval.metric import Direction


class Estimate(NamedTuple):
    """A mean and its clustered standard error, which one cluster alone cannot give."""

    mean: float
    stderr: float | None
    num_values: int
    num_clusters: int


class Interval(NamedTuple):
    """An interval around a mean."""

    low: float
    high: float


def mean_and_stderr(values: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """Mean of `values` and its standard error when values of one cluster depend on each other.

    variance = G/(G-1) * sum over clusters of (sum of deviations from the mean in it)^2 / n^2, with
    n values in G clusters. Each value in its own cluster gives the usual standard error. Source:
    Liang and Zeger (1986); Miller, "Adding error bars to evals" (2024).

    Args:
        values: finite numbers, at least one.
        clusters: the cluster, usually the prompt, of each value.
    """
    sums, counts = _cluster_sums(values, clusters)
    num_values, num_clusters = int(counts.sum()), len(counts)
    mean = sums.sum() / num_values
    if num_clusters == 1:
        return Estimate(float(mean), None, num_values, num_clusters)
    deviations = sums - counts * mean
    variance = num_clusters / (num_clusters - 1) * np.sum(deviations**2) / num_values**2
    return Estimate(float(mean), float(np.sqrt(variance)), num_values, num_clusters)


def bootstrap_interval(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    level: float = 0.95,
    num_resamples: int = 10_000,
    seed: int = 0,
) -> Interval | None:
    """Percentile bootstrap interval of the mean, drawing whole clusters with replacement.

    Args:
        values: finite numbers, at least one.
        clusters: the cluster, usually the prompt, of each value.
        level: coverage asked for.
        num_resamples: how often to draw.
        seed: the same seed gives the same interval.

    Returns:
        The interval; None for a single cluster, where every draw is the same.
    """
    sums, counts = _cluster_sums(values, clusters)
    num_clusters = len(counts)
    if num_clusters == 1:
        return None
    generator = np.random.default_rng(seed)
    drawn = generator.integers(num_clusters, size=(num_resamples, num_clusters))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


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
            by_metric[metric] = _ranks(present, Direction(directions[metric]))
    average = {
        name: float(np.mean([ranks[name] for ranks in by_metric.values()])) if by_metric else None
        for name in competitors
    }
    return AverageRanks(average, by_metric, left_out)


def _ranks(values: Mapping[str, float], direction: Direction) -> dict[str, float]:
    sign = -1 if direction is Direction.higher else 1
    costs = np.array([sign * value for value in values.values()])
    better = np.sum(costs[:, None] > costs, axis=1)
    equal = np.sum(costs[:, None] == costs, axis=1)
    return dict(zip(values, (better + (equal + 1) / 2).tolist(), strict=True))


def _cluster_sums(
    values: Sequence[float], clusters: Sequence[Hashable]
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each cluster, in order of first appearance."""
    assert len(values) == len(clusters) > 0, "one cluster per value, at least one value"
    numbers = np.asarray(values, dtype=np.float64)
    assert np.isfinite(numbers).all(), "missing values must be dropped, and reported, before"
    index = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    member = np.array([index[cluster] for cluster in clusters])
    return np.bincount(member, weights=numbers), np.bincount(member)
