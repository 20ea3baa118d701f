"""The state of a sweep on a cluster: records first, then one squeue, then sacct if there is any.

No job is asked about on its own. A verdict is "failed" only once the queue no longer has the task:
after the loss of a node SLURM calls a job NODE_FAIL while it is about to run it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from harness.core.errors import LongtakeError
from harness.store.run_store import RunStore
from slurm import commands
from slurm.attempt import Attempt, read_attempts
from slurm.commands import TaskState
from slurm.progress import StoreView
from slurm.submission import Job, JobStage, PlannedShard, SubmissionFolder, submissions

_LOG_TAIL_BYTES = 8192
_MEMORY = re.compile(r"memory limit|oom[-_ ]?kill|out of memory", re.IGNORECASE)
_NOISE = re.compile(r"^(srun: |\s*$|submitit (INFO|WARNING))|Job step aborted|forcing job term")


class Verdict(StrEnum):
    """What became of a shard."""

    done = "done"
    running = "running"
    pending = "pending"
    failed = "failed"
    lost = "lost"
    unknown = "unknown"


@dataclass(frozen=True)
class ShardState:
    """A shard, as far as no later submission took it over.

    Attributes:
        folder: its submission.
        shard: what it is to do; only the items that are still its own.
        job: the job it belongs to.
        verdict: what became of it.
        left: items that are not done.
        failed: those of them that failed, with a reason or without.
        task: what SLURM knows; None if nothing.
        error: why it failed or was lost, in one line; empty if its items say it themselves.
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
        """Its starts so far."""
        return read_attempts(self.folder.attempts_path(self.shard.number))

    @property
    def task_id(self) -> str:
        """SLURM's id of the task, "12_3" in an array."""
        task = self.job.task_of(self.shard.number)
        if task is None:
            return ""
        return f"{task[0]}_{task[1]}" if self.job.num_tasks > 1 else task[0]

    def log(self, stream: str = "err") -> Path | None:
        """Its log; None if it was not submitted."""
        task = self.job.task_of(self.shard.number)
        return task and self.folder.log_path(*task, self.job.num_tasks, stream)

    @property
    def node(self) -> str:
        """Where it runs or ran last."""
        if self.task and self.task.node:
            return self.task.node
        return self.attempts[-1].node if self.attempts else ""


@dataclass(frozen=True)
class SweepState:
    """The state of all shards of a sweep.

    Attributes:
        shards: in the order of their submission.
        view: the results.
        labels: how to call each unit, by its id.
        unreachable: why SLURM could not be asked; empty if it could.
        queued_jobs: ids of all jobs of this sweep that wait or run, those that have nothing left to
            do as later submissions took it over included.
    """

    shards: tuple[ShardState, ...]
    view: StoreView
    labels: dict[str, str]
    unreachable: str
    queued_jobs: tuple[str, ...]

    def with_verdict(self, *verdicts: Verdict) -> list[ShardState]:
        """Shards with one of these verdicts."""
        return [state for state in self.shards if state.verdict in verdicts]

    @property
    def active_jobs(self) -> list[str]:
        """Ids of jobs with tasks that wait or run, each once."""
        active = self.with_verdict(Verdict.pending, Verdict.running)
        return list(dict.fromkeys(s.job.job_id for s in active if s.job.job_id))

    @property
    def held_tasks(self) -> list[str]:
        """Tasks that SLURM could not launch and holds until somebody releases them."""
        return [s.task_id for s in self.shards if s.task and s.task.held and s.left]

    @property
    def active_items(self) -> set[str]:
        """Items that waiting or running tasks are going to do."""
        active = self.with_verdict(Verdict.pending, Verdict.running)
        return {item for s in active for item in s.left if item not in s.failed}


def read_state(store: Path) -> SweepState:
    """Read the state of a sweep.

    Raises:
        LongtakeError: nothing was ever submitted.
    """
    folders = submissions(store)
    if not folders:
        raise LongtakeError(
            f"Nothing of {store} was submitted to SLURM: python -m harness sweep ... "
            "executor=slurm does that."
        )
    view, labels, unreachable = StoreView(store), RunStore(store).labels(), ""
    try:
        tasks = _Tasks(commands.queue())
    except LongtakeError as error:
        tasks, unreachable = _Tasks([]), str(error)
    shards = [
        (folder, kept, job, _left(view, folder, kept))
        for folder, shard, job in _own_shards(folders, tasks)
        if (kept := _still_wanted(shard, tasks.find(job, shard.number), labels)).items
    ]
    if not unreachable:
        forgotten = (
            job.job_id
            for _, shard, job, left in shards
            if left and job.job_id and tasks.find(job, shard.number) is None
        )
        tasks.add(commands.accounting(forgotten))
    states = tuple(
        _judge(view, folder, shard, job, left, tasks.find(job, shard.number), bool(unreachable))
        for folder, shard, job, left in shards
    )
    jobs = [tasks.with_id(job) for folder in folders for job in folder.submission.jobs]
    queued = tuple(job.job_id for job in jobs if job.job_id and tasks.at_work(job))
    return SweepState(states, view, labels, unreachable, queued)


class _Tasks:
    """Tasks by job, place and name: an id alone may have been given out twice."""

    def __init__(self, queued: Sequence[TaskState]) -> None:
        self._known: dict[tuple[str, int, str], TaskState] = {}
        self._at_work = {(t.job_id, t.name) for t in queued if t.waits or t.runs}
        self.add(queued)

    def add(self, states: Iterable[TaskState]) -> None:
        """What is known already is not overwritten."""
        for state in states:
            self._known.setdefault((state.job_id, state.index, state.name), state)

    def with_id(self, job: Job) -> Job:
        """The job with its id: whoever submitted it may have been stopped before noting it."""
        if job.job_id is None:
            found = (job_id for job_id, _, name in self._known if name == job.name)
            return replace(job, job_id=next(found, None))
        return job

    def at_work(self, job: Job) -> bool:
        """Whether any task of a job waits or runs."""
        return (job.job_id, job.name) in self._at_work

    def find(self, job: Job, shard: int) -> TaskState | None:
        task = job.task_of(shard)
        return self._known.get((*task, job.name)) if task else None


def _own_shards(
    folders: Iterable[SubmissionFolder], tasks: _Tasks
) -> Iterator[tuple[SubmissionFolder, PlannedShard, Job]]:
    """All shards with the items that no later submission took over."""
    owned: set[tuple[JobStage, str]] = set()
    found = []
    for folder in reversed(list(folders)):
        mine = set()
        shards = []
        for shard in folder.shards():
            keep = [
                place for place, item in enumerate(shard.items) if (shard.stage, item) not in owned
            ]
            mine |= {(shard.stage, item) for item in shard.items}
            if keep:
                shards.append(shard if len(keep) == len(shard.items) else shard.only(keep))
        owned |= mine
        job_of = {
            number: tasks.with_id(job)
            for job in folder.submission.jobs
            for number in range(job.first_shard, job.first_shard + job.num_tasks)
        }
        found.append([(folder, shard, job_of[shard.number]) for shard in shards])
    for part in reversed(found):
        yield from part


def _still_wanted(
    shard: PlannedShard, task: TaskState | None, labels: Mapping[str, str]
) -> PlannedShard:
    """Without units that left the sweep, as after an edit of a plug-in, unless a task is at it."""
    if shard.stage is JobStage.report or (task and (task.runs or task.waits)):
        return shard
    units = [item.rpartition(":")[2] for item in shard.items]
    if all(unit in labels for unit in units):
        return shard
    return shard.only([place for place, unit in enumerate(units) if unit in labels])


def _left(view: StoreView, folder: SubmissionFolder, shard: PlannedShard) -> tuple[str, ...]:
    return tuple(item for item in shard.items if not view.is_done(shard, item, folder))


def _judge(
    view: StoreView,
    folder: SubmissionFolder,
    shard: PlannedShard,
    job: Job,
    left: tuple[str, ...],
    task: TaskState | None,
    unreachable: bool,
) -> ShardState:
    failed = tuple(item for item in left if view.has_failed(item, folder))

    def state(verdict: Verdict, failed: tuple[str, ...] = failed, error: str = "") -> ShardState:
        return ShardState(folder, shard, job, verdict, left, failed, task, error)

    if not left:
        return state(Verdict.done)
    if job.job_id is None:
        return state(Verdict.failed, left, f"it was not submitted: {job.error or 'interrupted'}")
    if task and task.runs:
        attempts = read_attempts(folder.attempts_path(shard.number))
        failed_now = {item for attempt in attempts[-1:] for item in attempt.failed}
        return state(Verdict.running, tuple(item for item in failed if item in failed_now))
    if task and task.waits:
        return state(Verdict.pending, ())
    unexplained = [item for item in left if item not in failed]
    if not unexplained:
        return state(Verdict.failed)
    if unreachable:
        return state(Verdict.unknown)
    if shard.stage is JobStage.evaluate and not any(
        view.has_video(item.rpartition(":")[2]) for item in unexplained
    ):
        return state(Verdict.failed, left, "the videos were not made")
    if task is None:
        return state(Verdict.lost, left, "neither SLURM nor a result knows of it")
    log = folder.log_path(job.job_id, shard.number - job.first_shard, job.num_tasks, "err")
    if task.state == "COMPLETED":
        return state(Verdict.lost, left, "it ended well, but left no result")
    return state(Verdict.failed, left, _explain(task, log))


def _explain(task: TaskState, log: Path) -> str:
    """SLURM's word, and the line of the log that says most."""
    if task.state == "CANCELLED":
        return "CANCELLED: by scancel, or because a task it waits for failed"
    text = task.state
    if task.exit_code and task.exit_code != "0:0":
        text += f" {task.exit_code}"
    lines = log_tail(log)
    if not lines:
        return f"{text}: it left no log; is {log.parent} there on node {task.node or '?'}?"
    memory = [line for line in lines if _MEMORY.search(line)]
    if memory:
        return f"out of memory ({text}): {memory[-1]}"
    telling = [line for line in lines if not _NOISE.search(line)]
    return f"{text}: {(telling or lines)[-1].strip()}"


def log_tail(path: Path, num_bytes: int = _LOG_TAIL_BYTES) -> list[str]:
    """The last lines of a log; none if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - num_bytes))
            return [line for line in file.read().decode(errors="replace").splitlines() if line]
    except OSError:
        return []
