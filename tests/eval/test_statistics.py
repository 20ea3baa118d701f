from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metric import Direction
from eval.statistics import average_ranks, bootstrap_interval, mean_and_stderr

values = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


def test_values_of_their_own_give_the_usual_standard_error() -> None:
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


def test_bootstrap_of_two_prompts_by_hand() -> None:
    # Draws of two from {0, 1}: means 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
    assert bootstrap_interval([0, 1], ["a", "b"], level=0.95) == (0, 1)
    assert bootstrap_interval([0, 1], ["a", "b"], level=0.4) == (0.5, 0.5)


def test_bootstrap_draws_whole_prompts() -> None:
    # Prompt a has three videos, so its mean counts thrice: means 0, 1/4, 1.
    low, high = bootstrap_interval([0, 0, 0, 1], ["a", "a", "a", "b"], level=0.4) or (None, None)
    assert (low, high) == (0.25, 0.25)


def test_bootstrap_interval_agrees_with_the_standard_error() -> None:
    numbers = [math.sin(i * i) for i in range(200)]
    prompts = list(range(200))
    interval = bootstrap_interval(numbers, prompts)
    estimate = mean_and_stderr(numbers, prompts)
    assert interval is not None and estimate.stderr is not None
    width = 2 * 1.96 * estimate.stderr
    assert interval.high - interval.low == pytest.approx(width, rel=0.05)
    assert (interval.low + interval.high) / 2 == pytest.approx(estimate.mean, abs=0.1 * width)


@given(values, st.integers(0, 5))
def test_bootstrap_is_seeded_and_stays_within_the_values(numbers: list[float], seed: int) -> None:
    prompts = range(len(numbers))
    interval = bootstrap_interval(numbers, prompts, num_resamples=50, seed=seed)
    assert interval == bootstrap_interval(numbers, prompts, num_resamples=50, seed=seed)
    assert interval is not None
    assert min(numbers) - 1e-9 <= interval.low <= interval.high <= max(numbers) + 1e-9


def test_ranks_by_hand_honour_direction_and_ties() -> None:
    ranks = average_ranks(
        {
            "consistency": {"a": 0.9, "b": 0.8, "c": 0.8},
            "error": {"a": 3.0, "b": 1.0, "c": 2.0},
        },
        {"consistency": "higher", "error": Direction.lower},
    )
    assert ranks.by_metric == {
        "consistency": {"a": 1, "b": 2.5, "c": 2.5},
        "error": {"a": 3, "b": 1, "c": 2},
    }
    assert ranks.average == {"a": 2, "b": 1.75, "c": 2.25}
    assert ranks.left_out == {}


def test_metric_that_a_competitor_lacks_is_left_out_and_reported() -> None:
    ranks = average_ranks(
        {
            "full": {"a": 1.0, "b": 2.0, "c": 3.0},
            "null": {"a": 1.0, "b": None, "c": math.nan},
            "absent": {"a": 1.0, "c": 2.0},
        },
        dict.fromkeys(["full", "null", "absent"], Direction.higher),
    )
    assert ranks.left_out == {"null": ("b", "c"), "absent": ("b",)}
    assert ranks.average == {"a": 3, "b": 2, "c": 1}


def test_without_a_complete_metric_there_is_no_average() -> None:
    ranks = average_ranks({"m": {"a": 1.0, "b": None}}, {"m": "higher"})
    assert ranks.average == {"a": None, "b": None}
    assert ranks.left_out == {"m": ("b",)}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3).map(float), min_size=1))
def test_ranks_of_a_metric_always_sum_to_the_same(row: dict[str, float]) -> None:
    for direction in Direction:
        ranks = average_ranks({"m": row}, {"m": direction}).by_metric["m"]
        assert sum(ranks.values()) == pytest.approx(len(row) * (len(row) + 1) / 2)
