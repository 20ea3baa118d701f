"""A limit on submitted jobs: what finds no room waits, and tasks that end submit it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.__main__ import main
from harness.core.errors import ClusterError, ConfigError
from harness.core.files import locked
from slurm import commands
from slurm.commands import TaskState
from slurm.node.task import TASKS
from slurm.status.state import read_state
from slurm.status.verdicts import Verdict
from slurm.submission import Job, JobStage, SubmissionFolder, submit_lock
from slurm.submit import jobs
from slurm.submit.jobs import dependency, submit_waiting
from slurm.submit.sbatch import ArraySpec
from tests.slurm import simulation
from tests.slurm.fake_slurm import FakeSlurm

REFUSAL = (
    "sbatch failed: AssocMaxSubmitJobLimit Job violates accounting/QOS policy (job submit limit, "
    "user's size and/or time limits)"
)


@dataclass
class Site:
    """A cluster that takes at most `limit` tasks of a user at once.

    Attributes:
        limit: most tasks that wait or run.
        arrays: tasks that have not ended, by the id and the name of their array.
    """

    limit: int
    first: Callable[..., str]
    arrays: dict[tuple[str, str], int] = field(default_factory=dict)

    def submit(self, spec: ArraySpec, task: object, arguments: Sequence[str]) -> str:
        if sum(self.arrays.values()) + len(arguments) > self.limit:
            raise ClusterError(REFUSAL)
        job_id = self.first(spec, task, arguments)
        self.arrays[job_id, spec.name] = len(arguments)
        return job_id

    def queue(self, names: Sequence[str]) -> list[TaskState]:
        return [
            TaskState(job_id, index, name, "RUNNING")
            for (job_id, name), number in self.arrays.items()
            if name in names
            for index in range(number)
        ]

    def end_one(self, folder: SubmissionFolder) -> None:
        """End a task of the oldest array, which counts itself while it submits."""
        key = next(key for key, number in self.arrays.items() if number)
        submit_waiting(folder, TASKS)
        self.arrays[key] -= 1
        self.arrays = {key: number for key, number in self.arrays.items() if number}


@pytest.fixture
def site(fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> Site:
    found = Site(3, jobs.submit)
    monkeypatch.setattr(jobs, "submit", found.submit)
    monkeypatch.setattr(commands, "queue", found.queue)
    return found


@pytest.fixture
def folder(tmp_path: Path, site: Site) -> SubmissionFolder:
    """A submission of 128 units in eight shards, of which three tasks found room."""
    (made,) = simulation.submitted(128, tmp_path).folders
    return made


def submitted(folder: SubmissionFolder) -> list[Job]:
    return [job for job in folder.read().jobs if job.job_id]


def test_what_finds_no_room_waits(folder: SubmissionFolder, site: Site) -> None:
    found = folder.read()
    shards = len(list(folder.shards()))
    assert sum(job.num_tasks for job in submitted(folder)) == 3 == sum(site.arrays.values())
    assert found.num_waiting == shards - 3
    # Halved or not, each shard belongs to one job.
    numbers = [n for j in found.jobs for n in range(j.first_shard, j.first_shard + j.num_tasks)]
    assert sorted(numbers) == list(range(shards))
    state = read_state(folder.path.parents[1])
    waiting = [s for s in state.shards if s.verdict is Verdict.pending]
    assert sum(s.error.startswith("waits for room") for s in waiting) == shards - 3
    assert not state.with_verdict(Verdict.failed, Verdict.lost)


def test_tasks_that_end_submit_the_rest(folder: SubmissionFolder, site: Site) -> None:
    shards = len(list(folder.shards()))
    for _ in range(shards - 1):
        site.end_one(folder)
        assert sum(site.arrays.values()) <= site.limit
    found = folder.read()
    assert found.num_waiting == 0
    assert len({job.job_id for job in found.jobs}) == len(found.jobs)
    assert sum(job.num_tasks for job in submitted(folder)) == shards
    assert [job.error for job in found.jobs if job.error] == []


def test_without_room_for_one_more_the_rest_needs_resume(
    tmp_path: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.limit = 1
    (folder,) = simulation.submitted(128, tmp_path).folders
    left = folder.read().num_waiting
    site.end_one(folder)
    assert folder.read().num_waiting == left
    assert "still wait to be submitted" in capsys.readouterr().err
    state = read_state(folder.path.parents[1])  # nothing of it is in the queue any more
    (error,) = {s.error for s in state.with_verdict(Verdict.failed)}
    assert error.startswith("not submitted: sbatch failed: AssocMaxSubmitJobLimit")


@pytest.mark.parametrize(
    ("error", "waits", "said"),
    [
        (ClusterError("sbatch failed: Unable to contact slurm controller"), True, "still wait"),
        (OSError("no space left"), True, "still wait"),
        (ConfigError("no node has 9 GPUs"), False, "wait no longer"),
    ],
)
def test_a_failure_that_passes_does_not_end_the_waiting(
    folder: SubmissionFolder,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    waits: bool,
    said: str,
) -> None:
    before = folder.read().num_waiting
    with monkeypatch.context() as failing:
        failing.setattr(jobs, "submit", Mock(side_effect=error))
        submit_waiting(folder, TASKS)
    assert said in capsys.readouterr().err
    assert folder.read().num_waiting == (before if waits else 0)
    site.limit = 100
    submit_waiting(folder, TASKS)
    assert folder.read().num_waiting == 0
    assert all(job.job_id for job in folder.read().jobs) == waits


def test_nothing_is_submitted_after_a_cancel_or_beside_a_command(
    folder: SubmissionFolder, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    before, site.limit = submitted(folder), 100
    with locked(submit_lock(folder.path.parents[1])):
        submit_waiting(folder, TASKS)
    assert submitted(folder) == before
    assert main(["cancel", str(folder.path.parents[1])]) == 0
    assert "cancelled: " in capsys.readouterr().out
    submit_waiting(folder, TASKS)
    assert submitted(folder) == before
    assert {job.error for job in folder.read().jobs if not job.job_id} == {"cancelled"}


def test_a_limit_that_takes_nothing_at_all_is_an_error(tmp_path: Path, site: Site) -> None:
    site.limit = 0
    with pytest.raises(ClusterError, match="Submitted before: nothing") as refused:
        simulation.submitted(128, tmp_path)
    assert "executor.slurm.shard_min" in str(refused.value)


def test_scoring_waits_for_all_parts_of_a_halved_array_that_have_not_ended() -> None:
    generate = Job(JobStage.generate, "g", 0, 4, "1")
    score = Job(JobStage.evaluate, "s", 4, 4, after=("g",))
    assert dependency(score, [generate, score]) == "aftercorr:1"
    assert dependency(score, [generate, score], alive=()) == ""
    parts = [Job(JobStage.generate, "g", 0, 2, "1"), Job(JobStage.generate, "g-2", 2, 2, "2")]
    both = Job(JobStage.evaluate, "s", 4, 4, after=("g", "g-2"))
    assert dependency(both, [*parts, both]) == "afterany:1:2"
    assert dependency(both, [*parts, both], alive=("2",)) == "afterany:2"
    report = Job(JobStage.report, "r", 8, 1, after_jobs=("9",))
    assert dependency(report, [*parts, report]) == "afterany:1:2:9"
    assert dependency(report, [*parts, report], alive=("9",)) == "afterany:9"
