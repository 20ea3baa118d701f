from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from eval.metric import Direction
from eval.statistics import average_ranks, rank_intervals


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


@pytest.mark.parametrize("num_competitors", [5, 50])
def test_ranks_with_ties_agree_with_scipy(num_competitors: int) -> None:
    generator = np.random.default_rng(0)
    values = generator.integers(0, num_competitors // 2, num_competitors).astype(float)
    row = {f"c{i:02d}": value for i, value in enumerate(values)}
    ranks = average_ranks({"m": row}, {"m": "lower"}).by_metric["m"]
    assert [ranks[name] for name in row] == scipy.stats.rankdata(values).tolist()


def test_clear_order_has_a_rank_interval_of_no_width() -> None:
    noise = np.random.default_rng(1).normal(size=(3, 12))
    values = np.array([[0.0], [10.0], [20.0]]) + noise
    intervals = rank_intervals([values, values + 1], ["higher", "higher"], list(range(12)))
    assert intervals == [(3, 3), (2, 2), (1, 1)]


def test_rank_interval_of_equal_competitors_spans_all_ranks() -> None:
    values = np.random.default_rng(2).normal(size=(2, 30))
    intervals = rank_intervals([values], ["lower"], list(range(30)))
    assert intervals is not None
    assert set(intervals) == {(1.0, 2.0)}


def test_rank_interval_draws_prompts_not_videos() -> None:
    # One prompt has all the difference, in many videos: drawing it or not decides the order.
    gain = np.zeros(40)
    gain[:30] = 1.0
    prompts = [0] * 30 + list(range(1, 11))
    intervals = rank_intervals([np.stack([gain, np.full(40, 0.2)])], ["higher"], prompts)
    assert intervals == [(1.0, 2.0), (1.0, 2.0)]


def test_few_prompts_or_no_metric_have_no_rank_interval() -> None:
    assert rank_intervals([np.ones((2, 3))], ["higher"], [0, 1, 2]) is None
    assert rank_intervals([], [], list(range(9))) is None
