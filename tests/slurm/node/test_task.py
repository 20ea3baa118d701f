"""Tasks before and after their work, without a cluster."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.events import Emit, Event, EventKind, StopRequested
from harness.core.files import write_json
from harness.store.run_store import RunStore
from harness.store.shards import Shard
from slurm.attempts.attempt import AttemptFile
from slurm.attempts.counts import AttemptCounts, count_all_attempts
from slurm.node import requeue as requeueing
from slurm.node import task
from slurm.node.requeue import StopSignals, requeue
from slurm.node.task import ReportTask, ShardTask
from slurm.submission import Submission, SubmissionFolder
from tests.reports.experiment import make_store, note_axis
from tests.slurm import simulation
from tests.slurm.fake_slurm import FakeSlurm


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the signal handlers and sys.path."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def folder(tmp_path: Path, fake_slurm: FakeSlurm) -> SubmissionFolder:
    """A submission of two shards with 16 units each."""
    (folder,) = simulation.submitted(32, tmp_path).folders
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


def test_a_unit_that_killed_its_task_too_often_is_recorded_and_the_rest_is_done(
    folder: SubmissionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = next(folder.shards())
    died(folder, 3, shard.items[0])
    done: list[str] = []
    monkeypatch.setattr(task, "run_shard", lambda shard, *_, **__: done.extend(shard.items))
    ShardTask()(str(folder.shard_path(0)))
    assert done == list(shard.items[1:])
    path = RunStore(folder.path.parents[1]).unit_dir(shard.items[0]) / "failure.json"
    assert "skipped after 3 unsuccessful attempts" in json.loads(path.read_text())["error"]


def test_units_with_which_a_task_died_in_step_are_made_last_and_alone(
    folder: SubmissionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder.shard_path(0)
    shard = replace(Shard.read(path), batch=2)
    shard.write(path)
    first, second, *others = shard.items
    attempt = AttemptFile(folder.attempts_path(0), "1", {}, batch=2)
    for item in (first, second):
        attempt.show(Event(EventKind.progress, item))
    made: list[tuple[list[str], int]] = []
    monkeypatch.setattr(task, "run_shard", lambda s, *_, **__: made.append((s.items, s.batch)))
    ShardTask()(str(path))
    assert made == [(others, 2), ([first, second], 1)]


def test_deaths_while_loading_count_against_all_units(
    folder: SubmissionFolder,
) -> None:
    died(folder, 2)
    shard = next(folder.shards())
    counts = count_all_attempts(folder.path.parents[1], [folder])
    assert counts == dict.fromkeys(shard.items, AttemptCounts(loading=2))


def test_with_one_attempt_allowed_progress_earns_another(
    folder: SubmissionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = folder.submission
    profile = submission.profile | {"max_attempts": 1}
    folder.write(replace(submission, profile=profile))
    shard = next(folder.shards())
    died(folder, 1, shard.items[0])
    done: list[str] = []
    monkeypatch.setattr(task, "run_shard", lambda shard, *_, **__: done.extend(shard.items))
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
    submission = Submission("1", ("sweep",), str(tmp_path), {}, False)
    SubmissionFolder(store / "slurm/1").write(submission)
    ReportTask()(str(store / "slurm/1/attempts/00000"))
    assert (store / "report" / "index.html").is_file()
    assert "| Sky ↑ |" in (store / "report" / "ablation" / "ablation.md").read_text()


def test_the_working_folder_of_the_command_comes_last(folder: SubmissionFolder) -> None:
    """Plug-ins are found there, and an `eval/` in it is not taken for ours."""
    folder.write(replace(folder.submission, cwd="/home/me"))
    shard = Shard.read(folder.shard_path(0))
    replace(shard, units=()).write(folder.shard_path(0))  # nothing to do
    ShardTask()(str(folder.shard_path(0)))
    assert sys.path[-1] == "/home/me"


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_task_that_ends_submits_what_waits_unless_it_was_asked_to_stop(
    folder: SubmissionFolder, monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    waiting: list[Path] = []
    monkeypatch.setattr(task, "submit_waiting", lambda of, tasks: waiting.append(of.path))
    monkeypatch.setattr(StopSignals, "received", lambda self: cancelled)
    shard = Shard.read(folder.shard_path(0))
    replace(shard, units=()).write(folder.shard_path(0))  # nothing to do
    ShardTask()(str(folder.shard_path(0)))
    assert waiting == ([] if cancelled else [folder.path])


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR2])
def test_signals_request_a_stop(signum: int) -> None:
    signals = StopSignals()
    assert not signals.received()
    os.kill(os.getpid(), signum)
    assert signals.received()


def test_a_stopped_task_records_it_and_is_requeued(
    folder: SubmissionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: bool) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    def leave(task_id: str) -> None:
        raise SystemExit(1)

    monkeypatch.setattr(task, "run_shard", stopped)
    monkeypatch.setattr(task, "requeue", leave)
    with pytest.raises(SystemExit):
        ShardTask()(str(folder.shard_path(0)))
    (path,) = folder.attempts_path(0).iterdir()
    assert json.loads(path.read_text())["ending"] == "stopped"


def test_a_full_disk_ends_the_task_and_counts_against_no_unit(
    folder: SubmissionFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    item = next(folder.shards()).items[0]

    def full(shard: Shard, emit: Emit, stop_requested: StopRequested, **_: bool) -> None:
        emit(Event(EventKind.progress, item))
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patched:
        patched.setattr(task, "run_shard", full)
        with pytest.raises(SystemExit) as stop:
            ShardTask()(str(folder.shard_path(0)))
    assert stop.value.code == 3
    assert capsys.readouterr().err.startswith("error: The disk quota is used up")
    assert not count_all_attempts(folder.path.parents[1], [folder])


def test_a_plug_in_cannot_end_a_task_without_a_word(
    folder: SubmissionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "run_shard", lambda *_, **__: os._exit(0))
    with pytest.raises(SystemExit):
        ShardTask()(str(folder.shard_path(0)))


@pytest.mark.parametrize(
    ("state", "commands"),
    [
        ("RUNNING", ["squeue -h -j 12_3 -o %T", "scontrol requeue 12_3"]),
        ("COMPLETING", ["squeue -h -j 12_3 -o %T"]),
        ("CANCELLED", ["squeue -h -j 12_3 -o %T"]),
    ],
)
def test_only_a_task_that_is_running_for_slurm_requeues_itself(
    fake_slurm: FakeSlurm, state: str, commands: list[str]
) -> None:
    fake_slurm.prints("squeue", f"{state}\n")
    with pytest.raises(SystemExit) as stop:
        requeue("12_3")
    assert stop.value.code == 1
    assert fake_slurm.calls == commands


def test_an_unreachable_controller_is_retried_and_then_reported(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_slurm.fails("squeue", "Unable to contact slurm controller")
    monkeypatch.setattr(requeueing, "_WAIT_S", 0)
    with pytest.raises(SystemExit, match=r"all progress saved.*Unable to contact"):
        requeue("12_3")
    assert len(fake_slurm.calls) == 4
