"""What a task does before and after its work, without a cluster."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.files import write_json
from harness.store.run_store import RunStore
from harness.store.units import plan_units
from slurm import task
from slurm.submission import SubmissionFolder, submissions
from slurm.task import ReportTask, ShardTask, StopSignals, requeue
from slurm.tries import Tried, count_all_tries
from tests.reports.experiment import make_store, note_axis
from tests.slurm import simulation


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Signal handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def folder(tmp_path: Path) -> SubmissionFolder:
    """A submission of two shards with 16 units each."""
    config = simulation.config_of(32, tmp_path)
    units = plan_units(config)
    simulation.submit(config, units)
    RunStore(config.settings.store).add_command(units, ["sweep"], config.resolved)
    (folder,) = submissions(config.settings.store)
    return folder


def died(folder: SubmissionFolder, times: int, item: str = "") -> None:
    for number in range(times):
        attempt = {
            "job_id": "1",
            "host": "h",
            "node": "n1",
            "pid": number,
            "started": float(number),
            "updated": 0.0,
            "item": item,
            "failed": [],
            "ending": "",
        }
        write_json(folder.attempts_path(0) / f"{number:03d}-dead.json", attempt)


def test_a_unit_that_killed_too_often_is_recorded_and_the_rest_is_done(
    folder: SubmissionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = next(folder.shards())
    died(folder, 3, shard.items[0])
    done: list[str] = []
    monkeypatch.setattr(task, "run_shard", lambda shard, *_: done.extend(shard.items))
    ShardTask()(str(folder.shard_path(0)))
    assert done == list(shard.items[1:])
    path = RunStore(folder.path.parents[1]).unit_dir(shard.items[0]) / "failure.json"
    assert "given up after 3 attempts" in json.loads(path.read_text())["error"]


def test_dying_while_loading_counts_for_all_units_of_the_shard(folder: SubmissionFolder) -> None:
    died(folder, 2)
    shard = next(folder.shards())
    tries = count_all_tries(folder.path.parents[1], [folder])
    assert tries == dict.fromkeys(shard.items, Tried(loading=2))


def test_an_only_attempt_that_got_further_is_not_the_last(
    folder: SubmissionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = folder.submission
    profile = submission.profile | {"max_attempts": 1}
    folder.write(replace(submission, profile=profile))
    shard = next(folder.shards())
    died(folder, 1, shard.items[0])
    done: list[str] = []
    monkeypatch.setattr(task, "run_shard", lambda shard, *_: done.extend(shard.items))
    chunk = RunStore(folder.path.parents[1]).unit_dir(shard.items[0]) / "partial/000000.safetensors"
    write_json(chunk, {})
    ShardTask()(str(folder.shard_path(0)))
    assert done == list(shard.items)
    chunk.unlink()
    done.clear()
    ShardTask()(str(folder.shard_path(0)))
    assert done == list(shard.items[1:])


@pytest.mark.slow
def test_the_report_task_renders_the_comparisons_of_an_experiment(tmp_path: Path) -> None:
    rows = {"one": {"p1": 0.1}, "two": {"p1": 0.3}}
    store = note_axis(make_store(tmp_path / "exp", rows), list(rows))
    ReportTask()(str(store / "slurm" / "1" / "attempts" / "report"))
    assert (store / "report" / "index.html").is_file()
    assert "| Sky ↑ |" in (store / "report" / "ablation" / "ablation.md").read_text()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR2])
def test_signals_are_requests_to_stop(signum: int) -> None:
    signals = StopSignals()
    assert not signals.received()
    os.kill(os.getpid(), signum)
    assert signals.received()


def test_a_stopped_task_says_so_and_is_requeued(
    folder: SubmissionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    def leave() -> None:
        raise SystemExit(1)

    monkeypatch.setattr(task, "run_shard", stopped)
    monkeypatch.setattr(task, "requeue", leave)
    with pytest.raises(SystemExit):
        ShardTask()(str(folder.shard_path(0)))
    (path,) = folder.attempts_path(0).iterdir()
    assert json.loads(path.read_text())["ending"] == "stopped"


@pytest.mark.parametrize(
    ("state", "commands"),
    [("RUNNING", ["squeue", "scontrol"]), ("COMPLETING", ["squeue"]), ("CANCELLED", ["squeue"])],
)
def test_only_a_task_that_slurm_thinks_is_running_requeues_itself(
    monkeypatch: pytest.MonkeyPatch, state: str, commands: list[str]
) -> None:
    called: list[str] = []

    def run(command: list[str], timeout_s: float) -> str:
        called.append(command[0])
        return f"{state}\n"

    monkeypatch.setattr(task, "run", run)
    with pytest.raises(SystemExit) as stop:
        requeue()
    assert stop.value.code == 1
    assert called == commands


def test_an_unreachable_controller_is_asked_again_and_then_told(
    fake_slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_slurm({"squeue": "exit 1: Unable to contact slurm controller"})
    monkeypatch.setattr(task, "_REQUEUE_WAIT_S", 0)
    with pytest.raises(SystemExit, match=r"progress is saved.*Unable to contact"):
        requeue()
