"""Prompt sets of the street."""

from __future__ import annotations

from collections import Counter

import pytest

from backbones.world.street.walks import make_walks
from harness.core.errors import ConfigError


def test_walks_differ_and_take_all_lengths_in_turn() -> None:
    walks = make_walks(16, seed=0)
    assert len(set(walks)) == 16
    assert [walk.count for walk in walks[:4]] == ["three", "four", "five", "six"]
    assert set(Counter(walk.count for walk in walks).values()) == {4}
    assert {walk.motion for walk in walks} == {"walking"}


def test_a_shorter_set_begins_a_longer_one_and_seeds_differ() -> None:
    assert make_walks(5, 0) == make_walks(40, 0)[:5]
    assert make_walks(5, 0) != make_walks(5, 1)


@pytest.mark.parametrize("num", [0, 81])
def test_a_set_that_the_street_does_not_have_is_refused(num: int) -> None:
    assert len(make_walks(80, 0)) == 80
    with pytest.raises(ConfigError, match="expected a number from 1 to 80"):
        make_walks(num, 0)
