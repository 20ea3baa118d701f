"""Verdicts from fabricated results and answers of SLURM."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.core.files import write_json
from harness.store.run_store import RunStore
from slurm.commands import TaskState
from slurm.status.eta import eta
from slurm.status.state import read_state
from slurm.status.table import num_wrong, render
from slurm.status.verdicts import ShardState, Verdict
from slurm.submission import JobStage, SubmissionFolder
from tests.slurm import simulation
from tests.slurm.fake_slurm import FakeSlurm


@dataclass
class Case:
    """A submitted sweep of 16 + 16 units in two shards."""

    store: Path
    folder: SubmissionFolder
    slurm: FakeSlurm

    @property
    def asked(self) -> list[str]:
        """Commands that asked for states."""
        names = [call.partition(" ")[0] for call in self.slurm.calls]
        return [name for name in names if name in ("squeue", "sacct")]

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
def case(tmp_path: Path, fake_slurm: FakeSlurm) -> Case:
    sweep = simulation.submitted(32, tmp_path)
    (folder,) = sweep.folders
    return Case(sweep.store, folder, fake_slurm)


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
        ("COMPLETED", None, Verdict.lost, "there is no result"),
        (None, None, Verdict.lost, "SLURM does not know"),
    ],
)
def test_the_queue_takes_precedence_over_accounting(
    case: Case, queued: str | None, accounted: str | None, verdict: Verdict, error: str
) -> None:
    case.slurm.queue([case.task(queued)] if queued else [])
    case.slurm.account([case.task(accounted)] if accounted else [])
    first = case.first()
    assert first.verdict is verdict
    assert error in first.error
    assert case.asked == ["squeue", "sacct"]


def test_a_task_that_slurm_failed_to_launch_is_held(case: Case) -> None:
    held = replace(case.task("PENDING"), reason="launch failed requeued held")
    case.slurm.queue([held])
    state = read_state(case.store)
    assert state.shards[0].verdict is Verdict.pending
    assert state.held_tasks == [state.shards[0].task_id]
    case.slurm.queue([replace(held, reason="Resources")])
    assert read_state(case.store).held_tasks == []


def test_another_job_with_the_same_id_is_not_ours(case: Case) -> None:
    case.slurm.queue([case.task("RUNNING", name="of-another-user")])
    assert case.first().verdict is Verdict.lost


def test_results_take_precedence_over_slurm(case: Case) -> None:
    for place in range(16):
        (case.unit_dir(place) / "record.json").write_text("{}")
    case.slurm.account([case.task("FAILED")])
    assert case.first().verdict is Verdict.done


def test_a_recorded_reason_takes_precedence_over_that_of_slurm(case: Case) -> None:
    for place in range(16):
        write_json(case.unit_dir(place) / "failure.json", {"error": "no plan today"})
    case.slurm.queue([case.task("COMPLETED")])
    first = case.first()
    assert (first.verdict, len(first.failed), first.error) == (Verdict.failed, 16, "")


def test_a_reason_belongs_to_one_item(case: Case) -> None:
    """A video, and each suite that scores it, fails for a reason of its own."""
    store, results = RunStore(case.store), read_state(case.store).results
    unit_id = next(case.folder.shards()).items[0]
    items = [unit_id, f"offline:{unit_id}", f"mine:Own:{unit_id}"]
    for item in items:
        store.write_failure(item, f"no {item} today", "")
    assert [results.failure(item) for item in items] == [f"no {item} today" for item in items]
    store.clear_failure(items[1])
    assert [results.has_failed(item, case.folder) for item in items] == [True, False, True]
    assert {path.name for path in case.unit_dir().iterdir()} == {
        "failure.json",
        "failure.Own.json",
    }


def test_an_old_reason_does_not_count(case: Case) -> None:
    path = case.unit_dir() / "failure.json"
    write_json(path, {"error": "no plan yesterday"})
    old_ns = case.folder.planned_ns - 10**9
    os.utime(path, ns=(old_ns, old_ns))
    case.slurm.account([case.task("FAILED", exit_code="3:0")])
    assert "FAILED 3:0" in case.first().error


def test_the_decisive_line_of_the_log_is_shown(case: Case) -> None:
    case.slurm.queue([case.task("FAILED")])
    log = case.first().log()
    assert log is not None
    log.write_text("submitit INFO start\nslurmstepd: error: Exceeded job memory limit\nsrun: bye\n")
    assert case.first().error.startswith("out of memory (FAILED): slurmstepd")
    log.write_text("Bus error (core dumped)\nsrun: error: n1: task 0: Exited\n")
    assert case.first().error == "FAILED: Bus error (core dumped)"
    log.unlink()
    assert "no log" in case.first().error


def test_without_slurm_the_state_is_that_of_the_files(case: Case) -> None:
    case.slurm.fails("squeue", "slurm_load_jobs error: Unable to contact slurm controller")
    for place in range(15):
        (case.unit_dir(place) / "record.json").write_text("{}")
    state = read_state(case.store)
    assert "Unable to contact" in state.unreachable
    assert state.shards[0].verdict is Verdict.unknown
    assert len(state.shards[0].left) == 1
    assert "sacct" not in case.asked


def test_a_job_that_sbatch_refused_has_failed(case: Case) -> None:
    submission = case.folder.submission
    job = submission.jobs[0]
    unsent = type(job)(
        job.stage, job.name, job.first_shard, job.num_tasks, None, "sbatch failed: x"
    )
    case.folder.write(submission.with_job(0, unsent))
    first = case.first()
    assert first.verdict is Verdict.failed
    assert "not submitted: sbatch failed: x" in first.error


def test_scores_of_a_metric_of_the_user_are_found(case: Case) -> None:
    results = read_state(case.store).results
    shard = next(s for s in case.folder.shards() if s.stage is JobStage.evaluate)
    item = f"my_module:MyMetric:{shard.items[0].rpartition(':')[2]}"
    assert not results.is_done(shard, item, case.folder)
    path = RunStore(case.store).scores_path("MyMetric", item.rpartition(":")[2])
    write_json(path, {})
    assert read_state(case.store).results.is_done(shard, item, case.folder)


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


def test_the_time_left_follows_the_pace_of_the_running_shard(case: Case) -> None:
    case.slurm.queue([case.task("RUNNING")])
    shard = next(case.folder.shards())
    write_attempt(case, item=shard.items[0], amount=30, item_started=1000.0)
    pace = eta(case.first())
    assert pace.left == 16 * 120 - 30
    assert pace.seconds == pytest.approx(pace.left * 2)
    assert "0 of 16 done, latent 30 of 120, ready in 1 h 03 min" in shown(case)


def test_units_in_step_are_made_in_the_same_time(case: Case) -> None:
    case.slurm.queue([case.task("RUNNING")])
    first, second, *_ = next(case.folder.shards()).items
    beside = [{"item": second, "amount": 27, "saved": 0}]
    write_attempt(case, item=first, amount=30, item_started=1000.0, beside=beside)
    pace = eta(case.first())
    assert pace.left == 16 * 120 - 30 - 27
    assert pace.seconds == pytest.approx(pace.left * 2 / 2)
    assert "latent 30 of 120, 1 more in step, ready in" in shown(case)


def test_what_is_replayed_after_a_restart_does_not_count_for_the_pace(case: Case) -> None:
    case.slurm.queue([case.task("RUNNING")])
    item = next(case.folder.shards()).items[0]
    write_attempt(case, item=item, amount=20, replayed=20, item_started=1060.0)
    assert eta(case.first()).seconds is None
    write_attempt(case, item=item, amount=30, replayed=20, item_started=1000.0)
    pace = eta(case.first())
    assert pace.seconds == pytest.approx(pace.left * 6)


def test_a_node_with_a_wrong_clock_is_reported(case: Case) -> None:
    case.slurm.queue([case.task("RUNNING")])
    write_attempt(case, clock_ahead_s=312.0)
    assert "The clock of h is 312 s ahead of the file system's." in shown(case)
    case.slurm.queue([])  # lost
    assert "The clock of h is 312 s ahead of the file system's." in shown(case)
    write_attempt(case, clock_ahead_s=1.0)
    assert "The clock of" not in shown(case)


def test_a_job_whose_id_was_never_saved_is_found_by_its_name(case: Case) -> None:
    """The command that submitted it was killed in between; it must not be submitted twice."""
    submission = case.folder.submission
    job = submission.jobs[0]
    case.folder.write(submission.with_job(0, type(job)(job.stage, job.name, 0, job.num_tasks)))
    assert case.first().verdict is Verdict.failed
    case.slurm.queue([case.task("RUNNING")])
    first = case.first()
    assert (first.verdict, first.job.job_id) == (Verdict.running, job.job_id)
