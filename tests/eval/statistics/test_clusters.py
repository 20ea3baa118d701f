from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from eval.statistics import MIN_CLUSTERS, bootstrap_interval, mean_and_stderr
from eval.statistics.clusters import resamples

values = st.lists(st.floats(-100, 100), min_size=MIN_CLUSTERS, max_size=12)


def test_one_value_per_cluster_gives_the_usual_standard_error() -> None:
    # Deviations -1.5, -0.5, 0.5, 1.5: variance of the mean = (5 / 3) / 4.
    estimate = mean_and_stderr([1, 2, 3, 4], ["a", "b", "c", "d"])
    assert estimate.mean == 2.5
    assert estimate.stderr == pytest.approx(math.sqrt(5 / 12))
    assert (estimate.num_values, estimate.num_clusters) == (4, 4)


def test_clustered_standard_error_by_hand() -> None:
    # Mean 4. Sums of deviations: a: -3 - 1 = -4, b: 0, c: 4. So 3/2 * (16 + 0 + 16) / 5**2.
    estimate = mean_and_stderr([1, 3, 4, 4, 8], ["a", "a", "b", "b", "c"])
    assert estimate.mean == 4
    assert estimate.stderr == pytest.approx(math.sqrt(1.5 * 32 / 25))
    assert (estimate.num_values, estimate.num_clusters) == (5, 3)


def test_repeating_every_video_does_not_add_certainty() -> None:
    once = mean_and_stderr([1, 2, 4], ["a", "b", "c"])
    thrice = mean_and_stderr([1, 2, 4] * 3, ["a", "b", "c"] * 3)
    assert thrice.stderr == pytest.approx(once.stderr)


def test_one_prompt_has_no_standard_error_and_no_interval() -> None:
    assert mean_and_stderr([1, 2], ["a", "a"]).stderr is None
    assert bootstrap_interval([1, 2], ["a", "a"]) is None


def test_missing_values_are_not_averaged_silently() -> None:
    with pytest.raises(AssertionError, match="missing"):
        mean_and_stderr([1.0, math.nan], ["a", "b"])


def test_few_prompts_give_no_interval() -> None:
    numbers = [float(i) for i in range(MIN_CLUSTERS)]
    assert bootstrap_interval(numbers, range(MIN_CLUSTERS)) is not None
    assert bootstrap_interval(numbers[:-1], range(MIN_CLUSTERS - 1)) is None


def test_bootstrap_draws_whole_prompts() -> None:
    # Six prompts; the first has three videos, so a draw of it counts thrice in sum and number.
    numbers, prompts = [1.0, 1.0, 1.0, 0, 0, 0, 0, 0], list("aaabcdef")
    drawn = next(iter(resamples(6, 10_000, seed=0)))
    means = 3 * drawn[:, 0] / (3 * drawn[:, 0] + drawn[:, 1:].sum(axis=1))
    # Levels for six clusters: t with 5 degrees at 97.5 % is 2.571, times sqrt(6 / 5) is 2.816.
    low, high = np.quantile(means, [scipy.stats.norm.cdf(-2.8159), scipy.stats.norm.cdf(2.8159)])
    assert bootstrap_interval(numbers, prompts) == pytest.approx((low, high))


def test_draws_in_chunks_have_the_same_distribution() -> None:
    chunks = list(resamples(3000, 1500, seed=0))
    assert len(chunks) > 1
    drawn = np.concatenate(chunks)
    assert drawn.shape == (1500, 3000)
    assert (drawn.sum(axis=1) == 3000).all()
    assert drawn.var(axis=0).mean() == pytest.approx(1 - 1 / 3000, rel=0.02)


def test_bootstrap_interval_agrees_with_the_standard_error() -> None:
    numbers = [math.sin(i * i) for i in range(200)]
    prompts = list(range(200))
    interval = bootstrap_interval(numbers, prompts)
    estimate = mean_and_stderr(numbers, prompts)
    assert interval is not None and estimate.stderr is not None
    width = 2 * 1.972 * estimate.stderr  # t with 199 degrees
    assert interval.high - interval.low == pytest.approx(width, rel=0.05)
    assert (interval.low + interval.high) / 2 == pytest.approx(estimate.mean, abs=0.1 * width)


@given(values, st.integers(0, 5))
def test_bootstrap_is_seeded_and_stays_within_the_values(numbers: list[float], seed: int) -> None:
    prompts = range(len(numbers))
    interval = bootstrap_interval(numbers, prompts, num_resamples=50, seed=seed)
    assert interval == bootstrap_interval(numbers, prompts, num_resamples=50, seed=seed)
    assert interval is not None
    assert min(numbers) - 1e-9 <= interval.low <= interval.high <= max(numbers) + 1e-9
