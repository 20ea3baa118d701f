"""Missing work of a submitted sweep, from its files alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm.plan.missing import MissingWork, missing_of_submissions
from tests.slurm import simulation
from tests.slurm.fake_slurm import FakeSlurm
from tests.slurm.simulation import Sweep


@pytest.fixture
def sweep(tmp_path: Path, fake_slurm: FakeSlurm) -> Sweep:
    return simulation.submitted(32, tmp_path)


def missing(sweep: Sweep) -> MissingWork:
    return missing_of_submissions(sweep.store, sweep.folders)


def test_everything_is_missing_where_nothing_was_done(sweep: Sweep) -> None:
    work = missing(sweep)
    (shard,) = work.generate
    assert {unit.id: unit for unit in shard.units} == {unit.id: unit for unit in sweep.units}
    assert shard.runtime == sweep.config.settings.runtime
    assert {task.unit_id for task in work.evaluate.evaluations} == {u.id for u in sweep.units}
    assert work.evaluate.evaluations[0].durations_frames == {"30": 477}


def test_items_of_two_submissions_are_missing_once(sweep: Sweep) -> None:
    sweep.submit()  # the first one is lost: its jobs are not in the queue
    assert len(sweep.folders) == 2
    assert len(missing(sweep).items) == 2 * len(sweep.units)


def test_work_without_some_items(sweep: Sweep) -> None:
    first, second, *_ = sweep.units
    work = missing(sweep).without({first.id, f"offline:{second.id}"})
    assert len(work.items) == 2 * len(sweep.units) - 2


def test_units_that_left_the_sweep_are_not_submitted_again(sweep: Sweep) -> None:
    path = sweep.store / "units.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    assert {unit.id for shard in missing(sweep).generate for unit in shard.units} == {
        unit.id for unit in sweep.units[:3]
    }
