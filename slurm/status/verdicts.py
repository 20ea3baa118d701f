"""The verdict on a shard: done, running, pending, failed, lost or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from slurm.attempts.attempt import Attempt, read_attempts
from slurm.commands import TaskState
from slurm.status.logs import explain, last_words
from slurm.status.results import Results
from slurm.submission import Job, JobStage, PlannedShard, SubmissionFolder


class Verdict(StrEnum):
    """State of a shard, as docs/slurm.md explains it."""

    done = "done"
    running = "running"
    pending = "pending"
    failed = "failed"
    lost = "lost"
    unknown = "unknown"


@dataclass(frozen=True)
class ShardState:
    """State of a shard, of which only items that no later submission took over are left.

    Attributes:
        folder: its submission.
        shard: the items that are still its own.
        job: the job that it belongs to.
        verdict: the verdict.
        left: items that are not done.
        failed: items of `left` that failed, with a recorded reason or without.
        task: state according to SLURM; None if SLURM does not know the task.
        error: why it failed or was lost, in one line; empty if its items have recorded reasons.
    """

    folder: SubmissionFolder
    shard: PlannedShard
    job: Job
    verdict: Verdict
    left: tuple[str, ...]
    failed: tuple[str, ...]
    task: TaskState | None
    error: str = ""

    @cached_property
    def attempts(self) -> list[Attempt]:
        """Attempts so far, the newest last."""
        return read_attempts(self.folder.attempts_path(self.shard.number))

    @property
    def task_id(self) -> str:
        """SLURM's id of the task, "12_3" in an array; empty if it was not submitted."""
        task = self.job.task_of(self.shard.number)
        if task is None:
            return ""
        return f"{task[0]}_{task[1]}" if self.job.num_tasks > 1 else task[0]

    def log(self, stream: str = "err") -> Path | None:
        """Return the log of a stream; None if the shard was not submitted."""
        task = self.job.task_of(self.shard.number)
        return task and self.folder.log_path(*task, self.job.num_tasks, stream)

    @property
    def node(self) -> str:
        """Node that the task runs on or ran on last."""
        if self.task and self.task.node:
            return self.task.node
        return self.attempts[-1].node if self.attempts else ""


def judge(
    results: Results,
    folder: SubmissionFolder,
    shard: PlannedShard,
    job: Job,
    left: tuple[str, ...],
    task: TaskState | None,
    unreachable: bool,
    goes_on: bool,
) -> ShardState:
    """Judge a shard: by its results, then by the queue, then by reasons that were recorded.

    Args:
        results: the sweep's results.
        folder: the submission of the shard.
        shard: the shard, with the items that are still its own.
        job: the job of the shard.
        left: its items that are not done.
        task: state according to SLURM; None if SLURM does not know the task.
        unreachable: True if SLURM could not be asked.
        goes_on: True if a job of the submission is in the queue, so that its tasks will submit
            those that wait.
    """
    failed = tuple(item for item in left if results.has_failed(item, folder))

    def state(verdict: Verdict, failed: tuple[str, ...] = failed, error: str = "") -> ShardState:
        return ShardState(folder, shard, job, verdict, left, failed, task, error)

    # A task may have been killed after its last result: the results count, not the exit code.
    if not left:
        return state(Verdict.done)
    if job.waits and unreachable:
        return state(Verdict.unknown)
    if job.waits and goes_on:
        return state(Verdict.pending, (), "waits for room under the limit on submitted jobs")
    if job.job_id is None:
        return state(Verdict.failed, left, f"not submitted: {job.error or 'interrupted'}")
    if task and task.runs:
        # A failure that an earlier attempt recorded is being tried again by this one.
        attempts = read_attempts(folder.attempts_path(shard.number))
        failed_now = {item for attempt in attempts[-1:] for item in attempt.failed}
        return state(Verdict.running, tuple(item for item in failed if item in failed_now))
    if task and task.waits:
        # Nothing has failed for good while the task is going to run (again): SLURM reports
        # NODE_FAIL to accounting, for example, and puts the task back into the queue.
        return state(Verdict.pending, ())
    # From here on the task is over, or SLURM does not know it.
    unexplained = [item for item in left if item not in failed]
    if not unexplained:
        return state(Verdict.failed)
    if unreachable:
        return state(Verdict.unknown)
    if shard.stage is JobStage.evaluate and not any(
        results.has_video(item.rpartition(":")[2]) for item in unexplained
    ):
        # SLURM cancels scoring when generating fails: the cause, rather than "CANCELLED".
        return state(Verdict.failed, left, "the videos were not generated")
    log = folder.log_path(job.job_id, shard.number - job.first_shard, job.num_tasks, "err")
    if task is None:
        known = "no result, and SLURM does not know the task"
        return state(Verdict.lost, left, known + last_words(log))
    if task.state == "COMPLETED":
        known = "SLURM reports success, but there is no result"
        return state(Verdict.lost, left, known + last_words(log))
    return state(Verdict.failed, left, explain(task, log))
