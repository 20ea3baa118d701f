from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eval.statistics import (
    MIN_CLUSTERS,
    MIN_DIFFERING,
    NoInterval,
    bootstrap_interval,
    bootstrap_t,
    mean_and_stderr,
    no_interval,
)
from eval.statistics.clusters import resamples

values = st.lists(st.integers(-100, 100).map(float), min_size=MIN_CLUSTERS, max_size=12)


def reason(numbers: list[float]) -> NoInterval | None:
    return no_interval(np.array(numbers)[:, None], np.ones(len(numbers), dtype=int))[0]


def test_few_prompts_give_no_interval() -> None:
    numbers = [float(i) for i in range(MIN_CLUSTERS)]
    assert reason(numbers) is None
    assert reason(numbers[:-1]) is NoInterval.few_prompts
    assert bootstrap_interval(numbers, range(MIN_CLUSTERS)) is not None
    assert bootstrap_interval(numbers[:-1], range(MIN_CLUSTERS - 1)) is None
    assert bootstrap_interval([1, 2], ["a", "a"]) is None


@pytest.mark.parametrize("common", [0.0, 0.1 + 0.2, -7.0])
def test_value_that_differs_in_few_prompts_has_no_interval(common: float) -> None:
    for num_differing in (0, 1, MIN_DIFFERING - 1):
        numbers = [common] * 40 + [common + 1 + i for i in range(num_differing)]
        assert reason(numbers) is NoInterval.few_differ
        assert bootstrap_interval(numbers, range(len(numbers))) is None
    assert reason([common] * 40 + [common + 1.0] * MIN_DIFFERING) is None


def test_values_that_share_no_common_one_have_an_interval() -> None:
    assert reason([1, 1, 2, 2, 3, 3]) is None
    assert reason([1, 1, 1, 2, 3, 4]) is NoInterval.few_differ


def test_equal_up_to_rounding_is_equal() -> None:
    assert reason([0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3, 0.7]) is NoInterval.few_differ


def test_seeds_of_a_prompt_do_not_hide_that_prompts_agree() -> None:
    # Means of the prompts 2, 2, 2, 2, 2, 2, 9: sums differ by the number of videos alone.
    sums = np.array([2.0, 4, 2, 4, 2, 6, 9])[:, None]
    assert no_interval(sums, np.array([1, 2, 1, 2, 1, 3, 1])) == [NoInterval.few_differ]


def test_bootstrap_t_by_hand() -> None:
    """Six prompts, the first with three videos: a draw of it counts thrice in sum and number."""
    numbers, prompts = [1.0, 2.0, 9.0, 0, 3, 1, 30, 2], list("aaabcdef")
    sums, counts = np.array([12.0, 0, 3, 1, 30, 2]), np.array([3, 1, 1, 1, 1, 1])
    estimate = mean_and_stderr(numbers, prompts)
    found = []
    for drawn in next(iter(resamples(6, 10_000, seed=0))).astype(int):
        draws = np.repeat(np.arange(6), drawn)
        mean = sums[draws].sum() / counts[draws].sum()
        squares = ((sums[draws] - counts[draws] * mean) ** 2).sum()
        error = math.sqrt(6 / 5 * squares) / counts[draws].sum()
        difference = mean - estimate.mean
        found.append(difference / error if error > 1e-6 else math.copysign(1e6, difference))
    low, high = np.quantile(found, [0.025, 0.975])
    student = stats.t.ppf(0.975, 5)
    assert low < -student  # the tail of 30 makes the upper end the farther one
    assert estimate.stderr is not None
    expected = (
        estimate.mean - max(high, student) * estimate.stderr,
        estimate.mean - low * estimate.stderr,
    )
    assert bootstrap_interval(numbers, prompts) == pytest.approx(expected)


def test_columns_agree_with_single_intervals() -> None:
    generator = np.random.default_rng(3)
    sums = generator.exponential(1, (20, 5))
    sums[:, 2] = 1.0
    counts = np.ones(20, dtype=int)
    singles = [bootstrap_interval(column.tolist(), range(20)) for column in sums.T]
    assert singles[2] is None
    for one, many in zip(singles, bootstrap_t(sums, counts), strict=True):
        assert (one is None and many is None) or many == pytest.approx(one)


def test_interval_of_many_prompts_agrees_with_the_standard_error() -> None:
    numbers = [math.sin(i * i) for i in range(200)]
    interval = bootstrap_interval(numbers, range(200))
    estimate = mean_and_stderr(numbers, range(200))
    assert interval is not None and estimate.stderr is not None
    width = 2 * 1.972 * estimate.stderr  # t with 199 degrees
    assert interval.high - interval.low == pytest.approx(width, rel=0.05)
    assert (interval.low + interval.high) / 2 == pytest.approx(estimate.mean, abs=0.1 * width)


def test_more_videos_of_the_same_prompts_do_not_shrink_the_interval() -> None:
    shared = np.random.default_rng(0).normal(0, 1, 10)
    once = bootstrap_interval(shared.tolist(), range(10))
    often = bootstrap_interval(np.repeat(shared, 9).tolist(), np.repeat(np.arange(10), 9).tolist())
    assert once == pytest.approx(often)


@given(values, st.integers(0, 5))
def test_interval_is_seeded_and_at_least_students(numbers: list[float], seed: int) -> None:
    prompts = range(len(numbers))
    interval = bootstrap_interval(numbers, prompts, num_resamples=50, seed=seed)
    assert interval == bootstrap_interval(numbers, prompts, num_resamples=50, seed=seed)
    if interval is not None:
        estimate = mean_and_stderr(numbers, prompts)
        assert estimate.stderr is not None
        student = stats.t.ppf(0.975, len(numbers) - 1) * estimate.stderr
        assert interval.low <= estimate.mean - student + 1e-9
        assert interval.high >= estimate.mean + student - 1e-9


@given(values, st.floats(0.01, 100), st.floats(-100, 100))
def test_interval_moves_and_grows_with_its_values(
    numbers: list[float], scale: float, shift: float
) -> None:
    prompts = range(len(numbers))
    interval = bootstrap_interval(numbers, prompts, num_resamples=50)
    moved = [scale * number + shift for number in numbers]
    other = bootstrap_interval(moved, prompts, num_resamples=50)
    if interval is None:
        assert other is None
    else:
        size = max(abs(number) for number in moved)
        expected = (scale * interval.low + shift, scale * interval.high + shift)
        assert other == pytest.approx(expected, rel=1e-6, abs=1e-6 * size)
