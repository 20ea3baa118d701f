"""Clustered standard errors, and bootstrap intervals over prompts.

Videos of one prompt are similar and therefore not independent samples: standard errors and
intervals treat a prompt as one cluster. To compare two methods, pass the differences of their
paired videos.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import stats

NUM_RESAMPLES = 10_000
MIN_CLUSTERS = 6
"""Fewest prompts for a 95 % interval: if five of five agree, a sign test gives only p = 0.06."""
_CHUNK = 2_000_000  # numbers drawn at a time, which bounds the memory for many prompts


class Estimate(NamedTuple):
    """A mean and its clustered standard error, which is None for a single cluster."""

    mean: float
    stderr: float | None
    num_values: int
    num_clusters: int


class Interval(NamedTuple):
    """An interval around a mean."""

    low: float
    high: float


def mean_and_stderr(values: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """Return the mean and its standard error, for values that depend on each other in a cluster.

    variance = G/(G-1) * sum over clusters of (sum of deviations from the mean in it)^2 / n^2, with
    n values in G clusters. Each value in its own cluster gives the usual standard error. Source:
    Liang and Zeger (1986); Miller, "Adding error bars to evals" (2024).

    Args:
        values: finite numbers, at least one.
        clusters: the cluster, usually the prompt, of each value.
    """
    sums, counts = cluster_sums(values, clusters)
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
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """Return the expanded percentile bootstrap interval of the mean, drawing whole clusters.

    The plain percentile interval is too short for few clusters, by the factor sqrt((G-1)/G) and by
    the difference of the normal and the t distribution. Its quantile levels are therefore widened
    to Phi(-sqrt(G/(G-1)) * t) with t the quantile of G - 1 degrees of freedom. Source: Hesterberg,
    "What Teachers Should Know About the Bootstrap" (2015), section 3.3.

    Args:
        values: finite numbers, at least one.
        clusters: the cluster, usually the prompt, of each value.
        level: coverage asked for.
        num_resamples: number of bootstrap resamples.
        seed: the same seed gives the same interval.

    Returns:
        The interval; None for fewer than `MIN_CLUSTERS` clusters.
    """
    sums, counts = cluster_sums(values, clusters)
    num_clusters = len(counts)
    if num_clusters < MIN_CLUSTERS:
        return None
    means = np.concatenate(
        [
            (drawn @ sums) / (drawn @ counts)
            for drawn in resamples(num_clusters, num_resamples, seed)
        ]
    )
    return percentiles(means, level, num_clusters)


def percentiles(means: np.ndarray, level: float, num_clusters: int) -> Interval:
    """Return the expanded percentile interval of means resampled over `num_clusters` clusters."""
    tail = _tail(level, num_clusters)
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


@cache
def _tail(level: float, num_clusters: int) -> float:
    t = stats.t.ppf((1 + level) / 2, num_clusters - 1)
    return float(stats.norm.cdf(-math.sqrt(num_clusters / (num_clusters - 1)) * t))


def resamples(num_clusters: int, num_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each resample draws each cluster, in chunks [resamples, clusters] of float64.

    The same arguments give the same draws, so rows over the same prompts share their resamples.
    """
    if num_clusters * num_resamples <= _CHUNK:
        yield _small_resamples(num_clusters, num_resamples, seed)
        return
    generator = np.random.default_rng(seed)
    at_once = max(1, _CHUNK // num_clusters)
    for first in range(0, num_resamples, at_once):
        yield _draw(generator, num_clusters, min(at_once, num_resamples - first))


@cache
def _small_resamples(num_clusters: int, num_resamples: int, seed: int) -> np.ndarray:
    return _draw(np.random.default_rng(seed), num_clusters, num_resamples)


def _draw(generator: np.random.Generator, num_clusters: int, num_resamples: int) -> np.ndarray:
    drawn = generator.integers(num_clusters, size=(num_resamples, num_clusters))
    flat = drawn + num_clusters * np.arange(num_resamples)[:, None]
    counts = np.bincount(flat.ravel(), minlength=num_resamples * num_clusters)
    return counts.reshape(num_resamples, num_clusters).astype(np.float64)


def cluster_sums(
    values: Sequence[float], clusters: Sequence[Hashable]
) -> tuple[np.ndarray, np.ndarray]:
    """Return sum and number of the values of each cluster, in order of first appearance."""
    assert len(values) == len(clusters) > 0, "one cluster per value, at least one value"
    numbers = np.asarray(values, dtype=np.float64)
    assert np.isfinite(numbers).all(), "drop and report missing values before"
    index = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    member = np.array([index[cluster] for cluster in clusters])
    return np.bincount(member, weights=numbers), np.bincount(member)
