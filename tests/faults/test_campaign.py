"""A fixed share of the campaign; `make faults` runs as much of it as one asks for."""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random

import pytest

from tests.faults import mutations
from tests.faults.results import differing
from tests.faults.workspace import ROOT


@pytest.mark.slow
def test_damaged_inputs_and_kills_change_no_result() -> None:
    """In a process of its own, which forks before it has computed anything."""
    share = ("inputs=24", "kills=4", "seed=100", "jobs=1")
    campaign = subprocess.run(
        [sys.executable, "-m", "tests.faults", *share],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert campaign.returncode == 0, campaign.stdout + campaign.stderr
    assert "| all | 28 | 28 |" in campaign.stdout


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
