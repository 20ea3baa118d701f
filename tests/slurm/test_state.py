"""Verdicts, from fabricated results and answers of SLURM."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.core.errors import LongtakeError
from harness.core.files import write_json
from harness.store.run_store import RunStore
from harness.store.units import plan_units
from slurm import commands
from slurm.commands import TaskState
from slurm.show import eta, num_wrong, render
from slurm.state import ShardState, Verdict, read_state
from slurm.submission import JobStage, SubmissionFolder, submissions
from tests.slurm import simulation


@dataclass
class Case:
    """A submitted sweep of 16 + 16 units in two shards, and what SLURM is going to say of it."""

    store: Path
    folder: SubmissionFolder
    queued: list[TaskState]
    accounted: list[TaskState]
    calls: list[str]

    def task(self, state: str, name: str | None = None, exit_code: str = "") -> TaskState:
        job = self.folder.submission.jobs[0]
        return TaskState(str(job.job_id), 0, name or job.name, state, "", "n1", exit_code)

    def first(self) -> ShardState:
        return read_state(self.store).shards[0]

    def unit_dir(self, place: int = 0) -> Path:
        shard = next(self.folder.shards())
        folder = RunStore(self.store).unit_dir(shard.items[place])
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    config = simulation.config_of(32, tmp_path)
    units = plan_units(config)
    simulation.submit(config, units)
    store = config.settings.store
    RunStore(store).add_command(units, ["sweep"], config.resolved)
    (folder,) = submissions(store)
    case = Case(store, folder, [], [], [])

    def answer(name: str, states: list[TaskState]) -> Callable[..., list[TaskState]]:
        def call(*_: object) -> list[TaskState]:
            case.calls.append(name)
            return states

        return call

    monkeypatch.setattr(commands, "queue", answer("squeue", case.queued))
    monkeypatch.setattr(commands, "accounting", answer("sacct", case.accounted))
    return case


@pytest.mark.parametrize(
    ("queued", "accounted", "verdict", "error"),
    [
        ("PENDING", None, Verdict.pending, ""),
        ("RUNNING", None, Verdict.running, ""),
        ("COMPLETING", None, Verdict.running, ""),
        ("REQUEUE_HOLD", None, Verdict.pending, ""),
        ("PENDING", "NODE_FAIL", Verdict.pending, ""),
        ("RUNNING", "PREEMPTED", Verdict.running, ""),
        (None, "NODE_FAIL", Verdict.failed, "NODE_FAIL"),
        ("FAILED", None, Verdict.failed, "FAILED"),
        (None, "TIMEOUT", Verdict.failed, "TIMEOUT"),
        ("CANCELLED", None, Verdict.failed, "CANCELLED"),
        ("COMPLETED", None, Verdict.lost, "left no result"),
        (None, None, Verdict.lost, "neither SLURM nor a result"),
    ],
)
def test_the_queue_goes_before_accounting(
    case: Case, queued: str | None, accounted: str | None, verdict: Verdict, error: str
) -> None:
    case.queued += [case.task(queued)] if queued else []
    case.accounted += [case.task(accounted)] if accounted else []
    first = case.first()
    assert first.verdict is verdict
    assert error in first.error
    assert case.calls == ["squeue", "sacct"]


def test_what_slurm_could_not_launch_waits_to_be_released(case: Case) -> None:
    held = replace(case.task("PENDING"), reason="launch failed requeued held")
    case.queued.append(held)
    state = read_state(case.store)
    assert state.shards[0].verdict is Verdict.pending
    assert state.held_tasks == [state.shards[0].task_id]
    case.queued[-1] = replace(held, reason="Resources")
    assert read_state(case.store).held_tasks == []


def test_another_job_with_our_id_is_not_ours(case: Case) -> None:
    case.queued.append(case.task("RUNNING", name="somebody-elses"))
    assert case.first().verdict is Verdict.lost


def test_results_go_before_anything(case: Case) -> None:
    for place in range(16):
        (case.unit_dir(place) / "record.json").write_text("{}")
    case.accounted.append(case.task("FAILED"))
    assert case.first().verdict is Verdict.done


def test_a_reason_of_the_worker_goes_before_that_of_slurm(case: Case) -> None:
    for place in range(16):
        write_json(case.unit_dir(place) / "failure.json", {"error": "no plan today"})
    case.queued.append(case.task("COMPLETED"))
    first = case.first()
    assert (first.verdict, len(first.failed), first.error) == (Verdict.failed, 16, "")


def test_a_reason_belongs_to_one_item(case: Case) -> None:
    """Why scores failed is not why a video did, nor why those of another suite did."""
    store, view = RunStore(case.store), read_state(case.store).view
    unit_id = next(case.folder.shards()).items[0]
    items = [unit_id, f"offline:{unit_id}", f"mine:Own:{unit_id}"]
    for item in items:
        store.write_failure(item, f"no {item} today", "")
    assert [view.failure(item) for item in items] == [f"no {item} today" for item in items]
    store.clear_failure(items[1])
    assert [view.has_failed(item, case.folder) for item in items] == [True, False, True]
    assert {path.name for path in case.unit_dir().iterdir()} == {
        "failure.json",
        "failure.Own.json",
    }


def test_an_old_reason_does_not_count(case: Case) -> None:
    path = case.unit_dir() / "failure.json"
    write_json(path, {"error": "no plan yesterday"})
    old_ns = case.folder.planned_ns - 10**9
    os.utime(path, ns=(old_ns, old_ns))
    case.queued.append(case.task("FAILED", exit_code="3:0"))
    assert "FAILED 3:0" in case.first().error


def test_the_log_is_asked_for_the_telling_line(case: Case) -> None:
    case.queued.append(case.task("FAILED"))
    log = case.first().log()
    assert log is not None
    log.write_text("submitit INFO start\nslurmstepd: error: Exceeded job memory limit\nsrun: bye\n")
    assert case.first().error.startswith("out of memory (FAILED): slurmstepd")
    log.write_text("Bus error (core dumped)\nsrun: error: n1: task 0: Exited\n")
    assert case.first().error == "FAILED: Bus error (core dumped)"
    log.unlink()
    assert "it left no log" in case.first().error


def test_without_slurm_the_files_still_tell(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> list[TaskState]:
        raise LongtakeError("squeue failed: Unable to contact slurm controller")

    monkeypatch.setattr(commands, "queue", down)
    for place in range(15):
        (case.unit_dir(place) / "record.json").write_text("{}")
    state = read_state(case.store)
    assert "Unable to contact" in state.unreachable
    assert state.shards[0].verdict is Verdict.unknown
    assert len(state.shards[0].left) == 1
    assert "sacct" not in case.calls


def test_what_never_reached_the_queue_is_failed(case: Case) -> None:
    submission = case.folder.submission
    job = submission.jobs[0]
    unsent = type(job)(
        job.stage, job.name, job.first_shard, job.num_tasks, None, "sbatch failed: x"
    )
    case.folder.write(submission.with_job(0, unsent))
    first = case.first()
    assert first.verdict is Verdict.failed
    assert "not submitted: sbatch failed: x" in first.error


def test_scores_of_a_metric_of_ones_own_are_found(case: Case) -> None:
    view = read_state(case.store).view
    shard = next(s for s in case.folder.shards() if s.stage is JobStage.evaluate)
    item = f"my_module:MyMetric:{shard.items[0].rpartition(':')[2]}"
    assert not view.is_done(shard, item, case.folder)
    path = RunStore(case.store).scores_path("MyMetric", item.rpartition(":")[2])
    write_json(path, {})
    assert read_state(case.store).view.is_done(shard, item, case.folder)


def test_units_that_left_the_sweep_are_no_failures(case: Case) -> None:
    assert num_wrong(read_state(case.store)) == 65  # generating and scoring 32, and the report
    path = case.store / "units.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:1]))
    assert num_wrong(read_state(case.store)) == 3


def write_attempt(case: Case, **fields: object) -> None:
    attempt = {
        "job_id": "1_0",
        "host": "h",
        "node": "n1",
        "pid": 1,
        "started": 1000.0,
        "updated": 1060.0,
        "failed": [],
        "ending": "",
    }
    write_json(case.folder.attempts_path(0) / "001.json", attempt | fields)


def shown(case: Case) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(render(read_state(case.store)), soft_wrap=True)
    return out.getvalue()


def test_the_pace_of_a_running_shard_tells_what_is_left(case: Case) -> None:
    case.queued.append(case.task("RUNNING"))
    shard = next(case.folder.shards())
    write_attempt(case, item=shard.items[0], amount=30, item_started=1000.0)
    pace = eta(case.first())
    assert pace.left == 16 * 120 - 30
    assert pace.seconds == pytest.approx(pace.left * 2)
    assert "0 of 16 done, latent 30 of 120, ready in 1 h 03 min" in shown(case)


def test_what_is_replayed_after_a_restart_does_not_count_for_the_pace(case: Case) -> None:
    case.queued.append(case.task("RUNNING"))
    item = next(case.folder.shards()).items[0]
    write_attempt(case, item=item, amount=20, replayed=20, item_started=1060.0)
    assert eta(case.first()).seconds is None
    write_attempt(case, item=item, amount=30, replayed=20, item_started=1000.0)
    pace = eta(case.first())
    assert pace.seconds == pytest.approx(pace.left * 6)


def test_a_node_with_a_wrong_clock_is_told(case: Case) -> None:
    case.queued.append(case.task("RUNNING"))
    write_attempt(case, clock_ahead_s=312.0)
    assert "The clock of h is 312 s ahead of the file system's." in shown(case)
    case.queued.clear()  # lost
    assert "The clock of h is 312 s ahead of the file system's." in shown(case)
    write_attempt(case, clock_ahead_s=1.0)
    assert "The clock of" not in shown(case)


def test_a_job_whose_id_was_never_noted_is_found_by_its_name(case: Case) -> None:
    """Whoever submitted it was killed in between; it must not be submitted twice."""
    submission = case.folder.submission
    job = submission.jobs[0]
    case.folder.write(submission.with_job(0, type(job)(job.stage, job.name, 0, job.num_tasks)))
    assert case.first().verdict is Verdict.failed
    case.queued.append(case.task("RUNNING"))
    first = case.first()
    assert (first.verdict, first.job.job_id) == (Verdict.running, job.job_id)
