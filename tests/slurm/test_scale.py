"""A sweep of 2,016 units, read back without opening its results one by one."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from harness.store import RunStore
from harness.units import plan_units
from slurm.show import num_wrong, render
from slurm.state import Verdict
from slurm.submission import JobStage, submissions
from tests.slurm import simulation


def test_thousands_of_units_are_planned_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = simulation.config_of(2016, tmp_path)
    units = plan_units(config)
    simulation.submit(config, units)
    store = config.settings.store
    RunStore(store).add_command(units, ["sweep"], config.resolved)
    (folder,) = submissions(store)
    shards = list(folder.shards())
    made = [item for shard in shards if shard.stage is JobStage.generate for item in shard.items]
    assert Counter(made) == Counter(unit.id for unit in units)
    # 60 s to a unit, 30 min to a shard; the methods need different memory and never share one.
    assert len([s for s in shards if s.stage is JobStage.generate]) == 2 * 34
    queued = simulation.finish(store, units)
    monkeypatch.setattr(RunStore, "record", None)  # no record may be opened
    state = simulation.read(store, queued)
    left = sum(len(shard.left) for shard in state.shards)
    assert left == 2 * 504 + 1  # generating, scoring and the report
    assert {shard.verdict for shard in state.shards} == {Verdict.running, Verdict.pending}
    assert num_wrong(state) == 0  # nothing has failed for good while its task waits or runs
    printed = io.StringIO()
    Console(file=printed, width=200).print(render(state))
    assert "and 12 more" in printed.getvalue()
    assert len(printed.getvalue().splitlines()) < 60
