"""Davidson's model of votes with ties."""

from __future__ import annotations

import numpy as np
import pytest

from eval.statistics.davidson import Comparison, davidson, votes_needed

STRENGTHS = {"best": 0.8, "middle": 0.0, "worst": -0.8}


def cast(number: int, seed: int = 0, prompts: int = 12) -> list[Comparison]:
    """Votes drawn from the model with v = 1."""
    generator = np.random.default_rng(seed)
    names, votes = list(STRENGTHS), []
    for index in range(number):
        left, right = generator.choice(names, 2, replace=False)
        a, b = np.exp(STRENGTHS[left]), np.exp(STRENGTHS[right])
        chances = np.array([a, np.sqrt(a * b), b])
        outcome = generator.choice(["left", "tie", "right"], p=chances / chances.sum())
        votes.append(
            Comparison(str(left), str(right), outcome, f"p{index % prompts}", f"v{index % 5}")
        )
    return votes


def test_strengths_of_drawn_votes_are_found() -> None:
    found = davidson(cast(900))
    assert list(found) == ["best", "middle", "worst"]
    for name, strength in found.items():
        assert strength.value == pytest.approx(STRENGTHS[name], abs=0.25)
        assert strength.interval is not None
        assert strength.interval.low < strength.value < strength.interval.high
    assert sum(one.num_votes for one in found.values()) == 2 * 900
    assert (
        sum(one.num_wins for one in found.values())
        + sum(one.num_ties for one in found.values()) // 2
        == 900
    )


def test_two_rows_have_the_log_odds_of_their_wins() -> None:
    """Without ties and prior the difference of two strengths is log(wins / losses)."""
    outcomes = ["left"] * 300 + ["right"] * 100
    votes = [Comparison("a", "b", o, "p", f"v{i}") for i, o in enumerate(outcomes)]  # type: ignore[arg-type]
    found = davidson(votes)
    assert found["a"].value - found["b"].value == pytest.approx(np.log(3), abs=0.01)
    assert found["a"].interval is None  # one prompt


def test_a_row_that_always_wins_stays_finite() -> None:
    votes = [Comparison("a", "b", "left", f"p{i}", "v") for i in range(20)]
    found = davidson(votes)
    assert 1 < found["a"].value < 10
    assert davidson([Comparison("a", "b", "tie", "p", "v")])["a"].value == pytest.approx(0)


def test_more_votes_are_needed_for_smaller_differences() -> None:
    assert (votes_needed(0.6), votes_needed(0.7)) == (194, 47)
    assert votes_needed(0.55) > 4 * votes_needed(0.6) - 20
