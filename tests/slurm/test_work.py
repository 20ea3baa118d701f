"""What is left of a sweep, from its files alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config.sweep import SweepConfig
from harness.store.run_store import RunStore
from harness.store.units import Unit, plan_units
from slurm.submission import submissions
from slurm.work import Work, left_over
from tests.slurm import simulation


@pytest.fixture
def sweep(tmp_path: Path) -> tuple[SweepConfig, list[Unit]]:
    config = simulation.config_of(32, tmp_path)
    units = plan_units(config)
    simulation.submit(config, units)
    RunStore(config.settings.store).add_command(units, ["sweep"], config.resolved)
    return config, units


def left(config: SweepConfig) -> Work:
    store = config.settings.store.absolute()
    return left_over(store, submissions(store))


def test_everything_is_left_of_a_sweep_of_which_nothing_was_done(sweep) -> None:
    config, units = sweep
    work = left(config)
    (shard,) = work.generate
    assert {unit.id: unit for unit in shard.units} == {unit.id: unit for unit in units}
    assert shard.runtime == config.settings.runtime
    assert {task.unit_id for task in work.evaluate.evaluations} == {unit.id for unit in units}
    assert work.evaluate.evaluations[0].durations_frames == {"30": 477}


def test_a_second_submission_takes_nothing_twice(sweep) -> None:
    config, units = sweep
    simulation.submit(config, units)  # the first one is lost: SLURM knows nothing of it
    assert len(submissions(config.settings.store)) == 2
    assert len(left(config).items) == 2 * len(units)


def test_what_is_left_out_is_left_out_everywhere(sweep) -> None:
    config, units = sweep
    work = left(config).without({units[0].id, f"offline:{units[1].id}"})
    assert len(work.items) == 2 * len(units) - 2


def test_units_that_left_the_sweep_are_not_submitted_again(sweep) -> None:
    config, units = sweep
    path = config.settings.store / "units.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    assert {unit.id for shard in left(config).generate for unit in shard.units} == {
        unit.id for unit in units[:3]
    }
