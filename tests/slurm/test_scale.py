"""Thousands of units: planned, submitted, and read back without opening their records."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from eval.scoring.suite import METRICS
from harness.store import index
from harness.store.run_store import RunStore
from slurm.plan.missing import missing_of_submissions
from slurm.status.state import read_state
from slurm.status.table import num_wrong, render
from slurm.status.verdicts import Verdict
from slurm.submission import JobStage
from tests.slurm import simulation
from tests.slurm.fake_slurm import FakeSlurm


@pytest.mark.slow
def test_thousands_of_units_are_planned_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_slurm: FakeSlurm
) -> None:
    sweep = simulation.submitted(2016, tmp_path)
    (folder,) = sweep.folders
    shards = list(folder.shards())
    made = [item for shard in shards if shard.stage is JobStage.generate for item in shard.items]
    assert Counter(made) == Counter(unit.id for unit in sweep.units)
    # 60 s per unit, 30 min per shard; the methods need different memory and never share one.
    assert len([s for s in shards if s.stage is JobStage.generate]) == 2 * 34
    fake_slurm.queue(simulation.finish(sweep))
    monkeypatch.setattr(RunStore, "record", None)  # no record may be opened
    state = read_state(sweep.store)
    left = sum(len(shard.left) for shard in state.shards)
    assert left == 2 * 504 + 1  # generating, scoring and the report
    assert {shard.verdict for shard in state.shards} == {Verdict.running, Verdict.pending}
    assert num_wrong(state) == 0  # nothing has failed for good while its task is pending or running
    printed = io.StringIO()
    Console(file=printed, width=200).print(render(state))
    assert "and 12 more" in printed.getvalue()
    assert len(printed.getvalue().splitlines()) < 60
    monkeypatch.undo()
    work = missing_of_submissions(sweep.store, sweep.folders)
    assert sum(len(shard.units) for shard in work.generate) == 504
    assert len(work.evaluate.evaluations) == 504
    monkeypatch.setattr(index, "read_typed", None)  # all are in the index now
    monkeypatch.setattr(RunStore, "record", None)
    assert missing_of_submissions(sweep.store, sweep.folders) == work


def test_suites_are_not_looked_up_unit_by_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_slurm: FakeSlurm
) -> None:
    """Finding a suite that is a single metric reads the installed plug-ins."""
    looked_up: list[int] = []
    target = METRICS.target

    def counted(name: str) -> str:
        looked_up.append(1)
        return target(name)

    monkeypatch.setattr(METRICS, "target", counted)
    counts = []
    for num_units in (32, 320):
        sweep = simulation.sweep_of(num_units, tmp_path / str(num_units), "suite=flow_motion")
        looked_up.clear()
        sweep.submit()
        counts.append(len(looked_up))
    assert counts[0] == counts[1] > 0
