"""Clustered standard errors, and resamples of clusters.

Videos of one prompt are similar and therefore not independent samples: all uncertainty treats a
prompt as one cluster. To compare two methods, pass the differences of their paired videos.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

NUM_RESAMPLES = 10_000
MIN_CLUSTERS = 6
"""Fewest prompts for intervals and marks: if five of five agree, flips of signs give p = 0.06."""
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


class GroupEstimates(NamedTuple):
    """The estimates of several groups, an element per group; NaN where `Estimate` has None."""

    mean: np.ndarray
    stderr: np.ndarray
    num_values: np.ndarray
    num_clusters: np.ndarray


def means_by_group(
    values: np.ndarray, clusters: np.ndarray, groups: np.ndarray, num_groups: int
) -> GroupEstimates:
    """Return `mean_and_stderr` of each group; one call per group takes minutes for thousands.

    Args:
        values: finite numbers.
        clusters: the cluster of each value as an integer, from 0.
        groups: the group of each value as an integer, from 0.
        num_groups: groups without a value have a mean and an error of NaN.
    """
    span = int(clusters.max()) + 1 if len(clusters) else 1
    found, member = np.unique(groups * span + clusters, return_inverse=True)
    sums, counts = np.bincount(member, weights=values), np.bincount(member)
    owner = found // span
    num_values = np.bincount(owner, weights=counts, minlength=num_groups)
    num_clusters = np.bincount(owner, minlength=num_groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(owner, weights=sums, minlength=num_groups) / num_values
        squares = np.bincount(owner, (sums - counts * mean[owner]) ** 2, minlength=num_groups)
        stderr = np.sqrt(num_clusters / (num_clusters - 1) * squares / num_values**2)
    stderr[num_clusters < 2] = np.nan
    return GroupEstimates(mean, stderr, num_values.astype(int), num_clusters)


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
