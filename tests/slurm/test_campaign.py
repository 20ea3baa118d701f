"""Repeated submissions: of running, failed and abandoned work."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.__main__ import main
from harness.cli import submit
from harness.cli.submit import submit_work
from harness.cli.terminal import Terminal
from harness.config.slurm_profile import SlurmProfile, StageProfile
from harness.core.files import locked, write_json
from slurm.campaign import Campaign
from slurm.commands import TaskState
from slurm.plan.limits import Limits
from slurm.plan.missing import MissingWork, missing_of_submissions
from slurm.plan.planner import Planner
from slurm.submission import JobStage, SubmissionFolder
from slurm.submit.dispatch import Dispatcher
from tests.slurm import simulation
from tests.slurm.fake_slurm import FakeSlurm
from tests.slurm.simulation import Sweep


@dataclass
class Submitted:
    """A sweep of 16 + 16 units, submitted once to a cluster whose queue is empty."""

    sweep: Sweep
    slurm: FakeSlurm
    queued: list[TaskState] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.sweep.store

    @property
    def folders(self) -> list[SubmissionFolder]:
        return self.sweep.folders

    def submit(self) -> None:
        self.sweep.submit()

    def work(self) -> MissingWork:
        return missing_of_submissions(self.store, self.folders)

    def campaign(self) -> Campaign:
        """Return the campaign of a new command."""
        return Campaign(Dispatcher(self.store, SlurmProfile(), ("resume",), "/"))

    def queue(self, stage: JobStage, state: str) -> None:
        """Put the tasks of a stage of the newest submission into the queue."""
        self.queued += [
            TaskState(str(job.job_id), index, job.name, state)
            for job in self.folders[-1].submission.jobs
            for index in range(job.num_tasks)
            if job.stage is stage
        ]
        self.slurm.queue(self.queued)

    def died(self, times: int) -> str:
        """Let attempts of the first task die at its first unit, which is returned."""
        folder = self.folders[-1]
        item = next(folder.shards()).items[0]
        for number in range(times):
            attempt = {
                **{"job_id": "1", "host": "h", "node": "n1", "pid": number, "updated": 0.0},
                **{"started": float(number), "item": item, "failed": [], "ending": ""},
            }
            write_json(folder.attempts_path(0) / f"{number:03d}-dead.json", attempt)
        return item


@pytest.fixture
def sweep(tmp_path: Path, fake_slurm: FakeSlurm) -> Submitted:
    return Submitted(simulation.submitted(32, tmp_path), fake_slurm)


@pytest.mark.parametrize("command", ["resume", "sweep"])
def test_two_commands_at_once_do_not_submit_the_same_work(
    sweep: Submitted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """A command reads the state of the sweep only after it has the lock."""

    @contextmanager
    def after_another(path: Path) -> Iterator[None]:
        sweep.submit()
        for stage in JobStage:
            sweep.queue(stage, "PENDING")
        with locked(path):
            yield

    monkeypatch.setattr(submit, "locked", after_another)
    own = [f"sweep={sweep.store}"]
    arguments = own if command == "resume" else simulation.arguments_of(32, tmp_path)
    assert main([command, *arguments]) == 0
    assert len(sweep.folders) == 2
    assert "Already running or queued: 64 items." in capsys.readouterr().out


def test_scores_of_regenerated_videos_are_open(sweep: Submitted) -> None:
    """The queued scoring task waits for the failed one: SLURM cancels it, or it skips them."""
    sweep.queue(JobStage.evaluate, "PENDING")
    work = sweep.work()
    assert sweep.campaign().open(work).items == work.items
    sweep.queue(JobStage.generate, "RUNNING")
    assert sweep.campaign().open(work).items == set()


def test_items_of_a_running_task_are_not_abandoned(sweep: Submitted) -> None:
    item = sweep.died(3)
    work = sweep.work()
    assert sweep.campaign().abandoned(work) == {item, f"offline:{item}"}
    sweep.queue(JobStage.generate, "RUNNING")
    assert sweep.campaign().abandoned(work) == set()


def test_a_failed_report_is_repeated_only_by_commands_with_a_report(sweep: Submitted) -> None:
    sweep.queue(JobStage.report, "FAILED")
    work = sweep.work()
    nothing = work.without(work.items)
    out = io.StringIO()
    assert submit_work(sweep.campaign(), nothing, None, False, Terminal(Console(file=out))) == 0
    assert len(sweep.folders) == 1
    assert "Nothing is missing." in out.getvalue()
    assert submit_work(sweep.campaign(), nothing, 32, False, Terminal(Console(file=out))) == 0
    assert [job.stage for job in sweep.folders[-1].submission.jobs] == [JobStage.report]


def test_cancel_includes_jobs_whose_work_a_later_submission_took_over(
    sweep: Submitted, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report job of an earlier submission has nothing left to do, and would still run."""
    sweep.queue(JobStage.report, "PENDING")
    (old,) = {task.job_id for task in sweep.queued}
    sweep.submit()
    assert main(["cancel", f"sweep={sweep.store}"]) == 0
    assert sweep.slurm.calls[-1] == f"scancel {old}"
    sweep.slurm.queue([])
    assert main(["cancel", f"sweep={sweep.store}"]) == 0
    assert "No pending or running tasks." in capsys.readouterr().out
    assert len([call for call in sweep.slurm.calls if call.startswith("scancel")]) == 1


def devices(work: MissingWork, **profile: object) -> dict[JobStage, set[str]]:
    """Return the devices in the shard files of each stage, were `work` submitted."""
    limits = Limits(99, 999, {"gpu": None}, "gpu")
    planner = Planner(SlurmProfile(**profile), limits, lambda *_: 1.0)  # type: ignore[arg-type]
    plan = planner.plan(work, [], set(), None)
    found: dict[JobStage, set[str]] = {}
    for array in plan.arrays:
        devices = {array.shard_of(piece).device for piece in array.pieces}
        found[array.stage] = found.get(array.stage, set()) | devices
    return found


def test_resume_uses_the_device_setting(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    """And not the device that tasks of earlier submissions requested."""
    sweep = simulation.submitted(32, tmp_path, "device=auto")
    work = missing_of_submissions(sweep.store, sweep.folders)
    generate, evaluate = JobStage.generate, JobStage.evaluate
    assert devices(work) == {generate: {"cuda"}, evaluate: {"cpu"}}
    assert devices(work, evaluate=StageProfile(gpus=1)) == {
        generate: {"cuda"},
        evaluate: {"cuda"},
    }
    assert devices(work, generate=StageProfile(gpus=0))[generate] == {"auto"}


def test_a_newer_submission_that_scores_without_a_gpu_takes_none_away(
    tmp_path: Path, fake_slurm: FakeSlurm
) -> None:
    for suite in ("vbench_long", "offline"):
        sweep = simulation.submitted(32, tmp_path, "device=auto", f"suite={suite}")
    work = missing_of_submissions(sweep.store, sweep.folders)
    assert {task.suite for task in work.evaluate.evaluations} == {"vbench_long", "offline"}
    assert devices(work)[JobStage.evaluate] == {"cuda"}
    assert {shard.device for shard in work.generate} == {"auto"}


def test_plans_without_a_device_use_that_of_the_shard_file(sweep: Submitted) -> None:
    (folder,) = sweep.folders
    folder.write_plan(replace(shard, device="") for shard in list(folder.shards()))
    assert {shard.device for shard in sweep.work().generate} == {"cpu"}
