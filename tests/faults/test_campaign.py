"""The parts of the campaign; `make faults` runs it."""

from __future__ import annotations

from random import Random

import pytest

from tests.faults import mutations
from tests.faults.results import differing


@pytest.mark.parametrize("mutation", mutations.DAMAGED, ids=lambda mutation: mutation.__name__)
def test_a_seed_repeats_its_damage(mutation: mutations.Mutation) -> None:
    data = bytes(range(200))
    damaged = [mutation(Random(f"x {seed}"), data) for seed in range(40)]
    assert damaged == [mutation(Random(f"x {seed}"), data) for seed in range(40)]
    assert sum(after != data for after in damaged) > 30


def test_results_that_are_missing_added_or_changed_differ() -> None:
    assert differing({"a": "1", "b": "2", "d": "4"}, {"a": "1", "b": "3", "c": "4"}) == [
        *("b", "c", "d")
    ]
