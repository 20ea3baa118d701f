"""A submission on disk; `status` and `resume` know of submitted jobs from these files alone.

<store>/slurm/<submission>/submission.json    header: settings, jobs with their ids
                           plan.jsonl         items of every shard, one shard a line
                           shards/00012.json  the shard file, argument of an array task
                           attempts/00012/    one file per start of that task
                           submitit/          sbatch files and logs
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.core.errors import StoreError
from harness.core.files import write_json, write_text

SCHEMA = 1


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
    device: str

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
    """

    stage: JobStage
    name: str
    first_shard: int
    num_tasks: int
    job_id: str | None = None
    error: str = ""

    def task_of(self, shard: int) -> tuple[str, int] | None:
        """Return job id and array index of a shard; None if not in this job or not submitted."""
        index = shard - self.first_shard
        return (self.job_id, index) if self.job_id and 0 <= index < self.num_tasks else None


@dataclass(frozen=True)
class Submission:
    """Header of a submission.

    Attributes:
        schema: version of this layout.
        id: unique, and sorts by time.
        command: arguments of the command.
        cwd: working folder of the command, with the user's plug-ins; relative paths start there.
        profile: fields of the SLURM profile.
        again: earlier unsuccessful attempts do not count from here on.
        jobs: jobs in the order of their submission.
    """

    schema: int
    id: str
    command: tuple[str, ...]
    cwd: str
    profile: dict[str, Any]
    again: bool
    jobs: tuple[Job, ...] = ()

    def with_job(self, place: int, job: Job) -> Submission:
        """Return a copy with the job at `place` replaced."""
        return replace(self, jobs=(*self.jobs[:place], job, *self.jobs[place + 1 :]))


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
        write_json(self.path / "submission.json", asdict(submission))

    def write_plan(self, shards: Iterable[PlannedShard]) -> None:
        """Save the items of every shard."""
        text = "".join(f"{json.dumps(vars(shard))}\n" for shard in shards)
        write_text(self.path / "plan.jsonl", text)

    @cached_property
    def planned_ns(self) -> int:
        """Time at which the plan was written, by the clock of the file system."""
        return (self.path / "plan.jsonl").stat().st_mtime_ns

    @cached_property
    def submission(self) -> Submission:
        """The header.

        Raises:
            StoreError: it cannot be read.
        """
        path = self.path / "submission.json"
        try:
            fields = json.loads(path.read_text())
            jobs = tuple(Job(**job | {"stage": JobStage(job["stage"])}) for job in fields["jobs"])
            return Submission(**fields | {"jobs": jobs, "command": tuple(fields["command"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from error

    def shards(self) -> Iterator[PlannedShard]:
        """Yield every shard with its items.

        Raises:
            StoreError: the plan cannot be read.
        """
        path = self.path / "plan.jsonl"
        try:
            with path.open() as file:
                for line in file:
                    fields = json.loads(line)
                    yield PlannedShard(
                        fields["number"],
                        JobStage(fields["stage"]),
                        fields["label"],
                        tuple(fields["items"]),
                        tuple(fields["amounts"]),
                        fields.get("device", ""),
                    )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from error


def submissions(store: Path) -> list[SubmissionFolder]:
    """Return all submissions of a sweep, the oldest first.

    A folder without a header does not count: the command was killed before it submitted anything.
    """
    found = sorted((store / "slurm").glob("*/submission.json"))
    return [SubmissionFolder(path.parent) for path in found]
