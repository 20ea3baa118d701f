"""A sweep of 2,016 units, read back without opening its results one by one."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from eval.scoring.suite import METRICS
from harness.core.registry import Entry
from harness.store.run_store import RunStore
from harness.store.units import plan_units
from slurm.show import num_wrong, render
from slurm.state import Verdict
from slurm.submission import JobStage, submissions
from tests.slurm import simulation


@pytest.mark.slow
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


def test_a_suite_is_looked_up_as_often_for_many_units_as_for_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding a metric that is a suite of its own reads what is installed."""
    looked_up: list[int] = []
    entries = METRICS.entries

    def counted() -> dict[str, Entry]:
        looked_up.append(1)
        return entries()

    monkeypatch.setattr(METRICS, "entries", counted)
    counts = []
    for num_units in (32, 320):
        config = simulation.config_of(num_units, tmp_path / str(num_units), "suite=flow_motion")
        units = plan_units(config)
        looked_up.clear()
        simulation.submit(config, units)
        counts.append(len(looked_up))
    assert counts[0] == counts[1] > 0
