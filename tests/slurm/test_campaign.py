"""What is submitted again, when earlier submissions are at work, failed or were given up."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.__main__ import main
from harness.cli import submit
from harness.cli.submit import submit_work
from harness.cli.terminal import Terminal
from harness.config.slurm_profile import SlurmProfile, StageProfile
from harness.config.sweep import SweepConfig
from harness.core.files import locked, write_json
from harness.store.run_store import RunStore
from harness.store.units import Unit, plan_units
from slurm import commands
from slurm.campaign import Campaign
from slurm.commands import TaskState
from slurm.dispatch import Dispatcher
from slurm.planning import Limits, Planner
from slurm.submission import JobStage, SubmissionFolder, submissions
from slurm.work import Work, left_over
from tests.slurm import simulation


@dataclass
class Submitted:
    """A sweep of 16 + 16 units that was submitted once; of its tasks only `queued` are there."""

    config: SweepConfig
    units: list[Unit]
    queued: list[TaskState]

    @property
    def store(self) -> Path:
        return self.config.settings.store.absolute()

    @property
    def folders(self) -> list[SubmissionFolder]:
        return submissions(self.store)

    def work(self) -> Work:
        return left_over(self.store, self.folders)

    def campaign(self) -> Campaign:
        """A command of now."""
        return Campaign(Dispatcher(self.store, SlurmProfile(), ("resume",), "/"))

    def queue(self, stage: JobStage, state: str) -> None:
        """Let SLURM have the tasks of a stage of the newest submission."""
        self.queued += [
            TaskState(str(job.job_id), index, job.name, state)
            for job in self.folders[-1].submission.jobs
            for index in range(job.num_tasks)
            if job.stage is stage
        ]

    def died(self, times: int) -> str:
        """Let starts of the first task die at its first unit, which is returned."""
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
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Submitted:
    config = simulation.config_of(32, tmp_path)
    units = plan_units(config)
    simulation.submit(config, units)
    RunStore(config.settings.store).add_command(units, ["sweep"], config.resolved)
    sweep = Submitted(config, units, [])
    monkeypatch.setattr(commands, "queue", lambda: sweep.queued)
    monkeypatch.setattr(commands, "accounting", lambda ids: [])
    return sweep


@pytest.mark.parametrize("command", ["resume", "sweep"])
def test_what_another_command_has_just_submitted_is_not_submitted_again(
    sweep: Submitted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """All that a command goes by is read once it is its turn."""

    @contextmanager
    def after_another(path: Path) -> Iterator[None]:
        simulation.submit(sweep.config, sweep.units)
        for stage in JobStage:
            sweep.queue(stage, "PENDING")
        with locked(path):
            yield

    monkeypatch.setattr(submit, "locked", after_another)
    own = [f"sweep={sweep.store}"]
    arguments = own if command == "resume" else simulation.arguments_of(32, tmp_path)
    with simulation.accepting():
        assert main([command, *arguments]) == 0
    assert len(sweep.folders) == 2
    assert "Already running or queued: 64 items." in capsys.readouterr().out


def test_scores_of_videos_that_are_made_anew_are_not_at_work(sweep: Submitted) -> None:
    """Their task waited for the one that failed: it will be taken back, or leaves them out."""
    sweep.queue(JobStage.evaluate, "PENDING")
    work = sweep.work()
    assert sweep.campaign().open(work).items == work.items
    sweep.queue(JobStage.generate, "RUNNING")
    assert sweep.campaign().open(work).items == set()


def test_a_start_that_runs_is_not_in_vain_yet(sweep: Submitted) -> None:
    item = sweep.died(3)
    work = sweep.work()
    assert sweep.campaign().given_up(work) == {item, f"offline:{item}"}
    sweep.queue(JobStage.generate, "RUNNING")
    assert sweep.campaign().given_up(work) == set()


def test_without_a_report_a_failed_one_is_not_submitted_again(sweep: Submitted) -> None:
    sweep.queue(JobStage.report, "FAILED")
    work = sweep.work()
    nothing = work.without(work.items)
    out = io.StringIO()
    with simulation.accepting():
        assert submit_work(sweep.campaign(), nothing, None, False, Terminal(Console(file=out))) == 0
        assert len(sweep.folders) == 1
        assert "Nothing is missing." in out.getvalue()
        assert submit_work(sweep.campaign(), nothing, 32, False, Terminal(Console(file=out))) == 0
    assert [job.stage for job in sweep.folders[-1].submission.jobs] == [JobStage.report]


def test_cancel_takes_back_what_a_later_submission_took_over(
    sweep: Submitted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report job of an earlier submission has nothing left to do, and would still run."""
    sweep.queue(JobStage.report, "PENDING")
    (old,) = {task.job_id for task in sweep.queued}
    simulation.submit(sweep.config, sweep.units)
    called: list[list[str]] = []
    monkeypatch.setattr(commands, "run", lambda command: called.append(command))
    assert main(["cancel", f"sweep={sweep.store}"]) == 0
    assert called == [["scancel", old]]
    sweep.queued.clear()
    assert main(["cancel", f"sweep={sweep.store}"]) == 0
    assert "Nothing waits or runs." in capsys.readouterr().out
    assert len(called) == 1


def devices(work: Work, **profile: object) -> dict[JobStage, set[str]]:
    """What the shard files of each stage would say, were `work` submitted."""
    planner = Planner(SlurmProfile(**profile), Limits(99, 999, {"gpu": None}, "gpu"), lambda _: 1.0)  # type: ignore[arg-type]
    plan = planner.plan(work.generate, work.evaluate, [], set(), None)
    found: dict[JobStage, set[str]] = {}
    for array in plan.arrays:
        devices = {array.shard_of(piece).device for piece in array.pieces}
        found[array.stage] = found.get(array.stage, set()) | devices
    return found


def test_resume_goes_by_the_device_that_was_set(tmp_path: Path) -> None:
    """And not by what the tasks of earlier submissions asked for."""
    config = simulation.config_of(32, tmp_path, "device=auto")
    units = plan_units(config)
    simulation.submit(config, units)
    RunStore(config.settings.store).add_command(units, ["sweep"], config.resolved)
    store = config.settings.store.absolute()
    work = left_over(store, submissions(store))
    generate, evaluate = JobStage.generate, JobStage.evaluate
    assert devices(work) == {generate: {"cuda"}, evaluate: {"cpu"}}
    assert devices(work, evaluate=StageProfile(gpus=1)) == {
        generate: {"cuda"},
        evaluate: {"cuda"},
    }
    assert devices(work, generate=StageProfile(gpus=0))[generate] == {"auto"}


def test_a_newer_submission_that_scores_without_a_gpu_takes_none_away(tmp_path: Path) -> None:
    for suite in ("vbench_long", "offline"):
        config = simulation.config_of(32, tmp_path, "device=auto", f"suite={suite}")
        units = plan_units(config)
        simulation.submit(config, units)
        RunStore(config.settings.store).add_command(units, ["sweep"], config.resolved)
    store = config.settings.store.absolute()
    work = left_over(store, submissions(store))
    assert {task.suite for task in work.evaluate.evaluations} == {"vbench_long", "offline"}
    assert devices(work)[JobStage.evaluate] == {"cuda"}
    assert {shard.device for shard in work.generate} == {"auto"}


def test_plans_of_older_submissions_go_by_their_shard_files(sweep: Submitted) -> None:
    (folder,) = sweep.folders
    folder.write_plan(replace(shard, device="") for shard in list(folder.shards()))
    assert {shard.device for shard in sweep.work().generate} == {"cpu"}
