"""Prompt sets of the street."""

from __future__ import annotations

from collections import Counter

import pytest

from backbones.world.street.scene import draw_street
from backbones.world.street.script import Script
from backbones.world.street.truth import Truth
from backbones.world.street.walks import make_turns, make_walks
from harness.core.errors import ConfigError


def test_walks_differ_and_take_all_lengths_in_turn() -> None:
    walks = make_walks(16, seed=0)
    assert len(set(walks)) == 16
    assert [walk.cast for walk in walks[:4]] == ["three", "four", "five", "six"]
    assert set(Counter(walk.cast for walk in walks).values()) == {4}
    assert {walk.motion for walk in walks} == {"walking"}


def test_a_shorter_set_begins_a_longer_one_and_seeds_differ() -> None:
    assert make_walks(5, 0) == make_walks(40, 0)[:5]
    assert make_walks(5, 0) != make_walks(5, 1)


@pytest.mark.parametrize("num", [0, 81])
def test_a_set_that_the_street_does_not_have_is_refused(num: int) -> None:
    assert len(make_walks(80, 0)) == 80
    with pytest.raises(ConfigError, match="expected a number from 1 to 80"):
        make_walks(num, 0)


@pytest.mark.parametrize("seed", range(3))
def test_turns_bring_figures_back_at_many_ages(seed: int) -> None:
    ages = set()
    for segments in make_turns(8, seed):
        script = Script.of_segments([(one.seconds, one.prompt) for one in segments])
        assert len({prompt.sky for prompt in script.prompts}) == 1
        assert script.prompts[0].motion == script.prompts[-1].motion == "walking"
        returns = Truth.of(draw_street(script.num_figures, 1), script).returns
        assert len(returns) >= 3
        ages.update(one.age_s for one in returns)
    assert len(ages) > 8


def test_turns_of_a_shorter_set_begin_a_longer_one() -> None:
    assert make_turns(3, 0) == make_turns(8, 0)[:3]
    assert make_turns(3, 0) != make_turns(3, 1)
    with pytest.raises(ConfigError, match="at least 1"):
        make_turns(0, 0)
