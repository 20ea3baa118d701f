"""A submission on disk; `status` and `resume` know of submitted jobs from these files alone.

<store>/slurm/<submission>/submission.json    header: settings, jobs with their ids
                           plan.jsonl         items of every shard, one shard a line
                           shards/00012.json  the shard file, argument of an array task
                           attempts/00012/    one file per start of that task
                           submitit/          sbatch files and logs
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.core.errors import StoreError
from harness.core.files import replacing
from harness.core.typed_files import from_line, read_typed, to_line, write_typed
from slurm.plan.resources import Request

if TYPE_CHECKING:
    from harness.config.slurm_profile import SlurmProfile


class JobStage(StrEnum):
    """The three chained stages."""

    generate = "generate"
    evaluate = "evaluate"
    report = "report"


@dataclass(frozen=True)
class PlannedShard:
    """A shard as `plan.jsonl` lists it.

    Attributes:
        number: number of its file.
        stage: stage of its task.
        label: backbone or suites, for display.
        items: its units and evaluations, by the names that events use.
        amounts: size of each item: latent frames or clips.
        device: the user's device setting (the shard file has the device that its task requested);
            empty in older plans.
    """

    number: int
    stage: JobStage
    label: str
    items: tuple[str, ...]
    amounts: tuple[int, ...]
    device: str = ""

    def __post_init__(self) -> None:
        if len(self.items) != len(self.amounts):
            raise ValueError(f"{len(self.items)} items with {len(self.amounts)} amounts")

    def only(self, places: Sequence[int]) -> PlannedShard:
        """Return the part with the items at `places`."""
        return replace(
            self,
            items=tuple(self.items[place] for place in places),
            amounts=tuple(self.amounts[place] for place in places),
        )


@dataclass(frozen=True)
class Job:
    """One job or job array.

    Attributes:
        stage: stage of its tasks.
        name: name in the queue, unique.
        first_shard: number of the shard of its first task; the others follow.
        num_tasks: tasks of the array; 1 is a job without an array.
        job_id: SLURM's id; None if the job was not submitted.
        error: why it was not submitted.
        waits: whether tasks of this submission will submit it once there is room.
        request: resources of each task; None in headers of earlier versions.
        after: names of jobs of this submission that it depends on.
        after_jobs: ids of jobs of earlier submissions that must end first, successfully or not.
    """

    stage: JobStage
    name: str
    first_shard: int
    num_tasks: int
    job_id: str | None = None
    error: str = ""
    waits: bool = False
    request: Request | None = None
    after: tuple[str, ...] = ()
    after_jobs: tuple[str, ...] = ()

    def task_of(self, shard: int) -> tuple[str, int] | None:
        """Return job id and array index of a shard; None if not in this job or not submitted."""
        index = shard - self.first_shard
        return (self.job_id, index) if self.job_id and 0 <= index < self.num_tasks else None


@dataclass(frozen=True)
class Submission:
    """Header of a submission.

    Attributes:
        id: unique, and sorts by time.
        command: arguments of the command.
        cwd: working folder of the command, with the user's plug-ins; relative paths start there.
        profile: fields of the SLURM profile.
        again: earlier unsuccessful attempts do not count from here on.
        jobs: jobs in the order of their submission.
    """

    SCHEMA: ClassVar[int] = 1

    id: str
    command: tuple[str, ...]
    cwd: str
    profile: dict[str, Any]
    again: bool
    jobs: tuple[Job, ...] = ()

    def with_job(self, place: int, job: Job) -> Submission:
        """Return a copy with the job at `place` replaced."""
        return replace(self, jobs=(*self.jobs[:place], job, *self.jobs[place + 1 :]))

    def halved(self, place: int) -> Submission:
        """Return a copy with the array at `place`, which is not submitted, cut into two."""
        job = self.jobs[place]
        half = job.num_tasks // 2
        start = job.first_shard + half
        second = replace(
            job, name=f"{job.name}-{start}", first_shard=start, num_tasks=job.num_tasks - half
        )
        others = (
            replace(other, after=(*other.after, second.name)) if job.name in other.after else other
            for other in self.jobs[place + 1 :]
        )
        halves = (replace(job, num_tasks=half), second)
        return replace(self, jobs=(*self.jobs[:place], *halves, *others))

    def refused(self, error: str, is_limit: bool, may_pass: bool) -> Submission:
        """Return a copy in which all jobs without an id were refused.

        Args:
            error: the reason.
            is_limit: it is a limit on submitted jobs; they wait if any job was submitted at all.
            may_pass: the same jobs may be accepted later; those that waited go on waiting.
        """
        begin = is_limit and any(job.job_id for job in self.jobs)
        jobs = (
            job
            if job.job_id
            else replace(
                job,
                error=error,
                waits=job.request is not None and (begin or (may_pass and job.waits)),
            )
            for job in self.jobs
        )
        return replace(self, jobs=tuple(jobs))

    def withdrawn(self) -> Submission:
        """Return a copy in which no job waits any more."""
        jobs = (
            replace(job, waits=False, error="cancelled") if job.waits else job for job in self.jobs
        )
        return replace(self, jobs=tuple(jobs))

    @property
    def num_waiting(self) -> int:
        """Number of tasks that wait to be submitted."""
        return sum(job.num_tasks for job in self.jobs if job.waits)

    def slurm_profile(self) -> SlurmProfile:
        """Return the profile of the submission.

        Raises:
            ConfigError: a key or a value that does not exist any more.
        """
        from harness.config.slurm_profile import SlurmProfile
        from harness.core.schema import build

        return build(SlurmProfile, self.profile, "executor.slurm")


def new_id() -> str:
    """Return a unique id that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(3)}"


class SubmissionFolder:
    """Reads and writes the files of one submission.

    Args:
        path: <store>/slurm/<submission>.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def submitit(self) -> Path:
        """Folder of submitit's files, never shared with another submission."""
        return self.path / "submitit"

    def shard_path(self, number: int) -> Path:
        """Return the file of a shard."""
        return self.path / "shards" / f"{number:05d}.json"

    def attempts_path(self, number: int) -> Path:
        """Return the folder of a shard's attempts."""
        return self.path / "attempts" / f"{number:05d}"

    def log_path(self, job_id: str, index: int, num_tasks: int, stream: str) -> Path:
        """Return the log of a task's stream, "out" or "err"."""
        task = f"{job_id}_{index}" if num_tasks > 1 else job_id
        return self.submitit / f"{task}_0_log.{stream}"

    def write(self, submission: Submission) -> None:
        """Save the header."""
        write_typed(self.path / "submission.json", submission)

    def write_plan(self, shards: Iterable[PlannedShard]) -> None:
        """Save the items of every shard."""
        with replacing(self.path / "plan.jsonl") as fresh, fresh.open("wb") as file:
            file.writelines(map(to_line, shards))

    @cached_property
    def planned_ns(self) -> int:
        """Time at which the plan was written, by the clock of the file system."""
        return (self.path / "plan.jsonl").stat().st_mtime_ns

    @cached_property
    def submission(self) -> Submission:
        """The header as it was when it was first asked for.

        Raises:
            StoreError: it is damaged; names the field.
        """
        return self.read()

    def read(self) -> Submission:
        """Read the header, which changes while jobs are submitted.

        Raises:
            StoreError: it is damaged; names the field.
        """
        return read_typed(self.path / "submission.json", Submission)

    def shards(self) -> Iterator[PlannedShard]:
        """Yield every shard with its items.

        Raises:
            StoreError: the plan is damaged or lacks shards; names the line and the field.
        """
        path = self.path / "plan.jsonl"
        planned = sum(job.num_tasks for job in self.submission.jobs)
        number = 0
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    shard = from_line(line, PlannedShard, f"{path}, line {number}")
                    if shard.number != number - 1:
                        raise StoreError(f"{path}, line {number}: shard {shard.number}.")
                    yield shard
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from error
        if number != planned:
            raise StoreError(f"{path}: {number} shards; the jobs of the submission have {planned}.")


def submit_lock(store: Path) -> Path:
    """Return the file that is locked while jobs of a sweep are submitted."""
    return store / "slurm" / ".lock"


def submissions(store: Path) -> list[SubmissionFolder]:
    """Return all submissions of a sweep, the oldest first.

    A folder without a header does not count: the command was killed before it submitted anything.
    """
    found = sorted((store / "slurm").glob("*/submission.json"))
    return [SubmissionFolder(path.parent) for path in found]
