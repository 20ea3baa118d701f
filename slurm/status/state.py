"""The state of a sweep on a cluster: results first, then one squeue, then accounting.

No job is looked up on its own. A verdict is "failed" only once the queue no longer has the task:
after the loss of a node SLURM reports NODE_FAIL for a job that it is about to run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import ClusterError, StoreError
from harness.store.run_store import RunStore
from slurm import commands
from slurm.commands import TaskState
from slurm.status.results import Results
from slurm.status.verdicts import ShardState, Verdict, judge
from slurm.submission import Job, JobStage, PlannedShard, SubmissionFolder, submissions


@dataclass(frozen=True)
class SweepState:
    """State of all shards of a sweep.

    Attributes:
        shards: shards in the order of their submission.
        results: the sweep's results.
        labels: display name of each unit, by its id.
        unreachable: why SLURM could not be asked; empty if it could.
        queued_jobs: ids of all pending and running jobs, also of those whose work a later
            submission took over.
    """

    shards: tuple[ShardState, ...]
    results: Results
    labels: dict[str, str]
    unreachable: str
    queued_jobs: tuple[str, ...]

    def with_verdict(self, *verdicts: Verdict) -> list[ShardState]:
        """Return the shards with one of these verdicts."""
        return [state for state in self.shards if state.verdict in verdicts]

    @property
    def active_jobs(self) -> list[str]:
        """Ids of jobs with shards that are pending or running, each once."""
        active = self.with_verdict(Verdict.pending, Verdict.running)
        return list(dict.fromkeys(s.job.job_id for s in active if s.job.job_id))

    @property
    def held_tasks(self) -> list[str]:
        """Ids of tasks that SLURM failed to launch and holds until they are released."""
        return [s.task_id for s in self.shards if s.task and s.task.held and s.left]

    @property
    def active_items(self) -> set[str]:
        """Items that pending or running tasks are going to finish."""
        active = self.with_verdict(Verdict.pending, Verdict.running)
        return {item for s in active for item in s.left if item not in s.failed}


def read_state(store: Path) -> SweepState:
    """Read the state of a sweep; if SLURM does not answer, from its files only.

    Raises:
        StoreError: nothing of the sweep was ever submitted.
    """
    folders = submissions(store)
    if not folders:
        raise StoreError(
            f"Nothing of {store} was submitted to SLURM: python -m harness sweep ... "
            "executor=slurm does that."
        )
    results, labels, unreachable = Results(store), RunStore(store).labels(), ""
    try:
        names = [job.name for folder in folders for job in folder.submission.jobs]
        tasks = _Tasks(commands.queue(names))
    except ClusterError as error:
        tasks, unreachable = _Tasks([]), str(error)
    shards = [
        (folder, kept, job, _left(results, folder, kept))
        for folder, shard, job in _own_shards(folders, tasks)
        if (kept := _still_wanted(shard, tasks.find(job, shard.number), labels)).items
    ]
    if not unreachable:
        # The controller forgets ended tasks after some minutes. Accounting may still know those,
        # but is slow: it is asked once, and only about tasks without all their results.
        forgotten = (
            job.job_id
            for _, shard, job, left in shards
            if left and job.job_id and tasks.find(job, shard.number) is None
        )
        tasks.add(commands.accounting(forgotten))
    alive = {
        folder.path
        for folder in folders
        if any(tasks.in_queue(tasks.with_id(job)) for job in folder.submission.jobs)
    }
    states = tuple(
        judge(
            *(results, folder, shard, job, left, tasks.find(job, shard.number)),
            unreachable=bool(unreachable),
            goes_on=folder.path in alive,
        )
        for folder, shard, job, left in shards
    )
    jobs = [tasks.with_id(job) for folder in folders for job in folder.submission.jobs]
    queued = tuple(job.job_id for job in jobs if job.job_id and tasks.in_queue(job))
    return SweepState(states, results, labels, unreachable, queued)


class _Tasks:
    """Task states by job id, index and job name.

    The name is part of the key because a cluster may hand out an id again: after a new start
    without its old state, and when ids wrap around.
    """

    def __init__(self, queued: Sequence[TaskState]) -> None:
        self._known: dict[tuple[str, int, str], TaskState] = {}
        self._in_queue = {(t.job_id, t.name) for t in queued if t.waits or t.runs}
        self.add(queued)

    def add(self, states: Iterable[TaskState]) -> None:
        """Add states of tasks that are not known yet: the queue is more recent than accounting."""
        for state in states:
            self._known.setdefault((state.job_id, state.index, state.name), state)

    def with_id(self, job: Job) -> Job:
        """Return the job with its id, also if the command was killed before it saved the id."""
        if job.job_id is None:
            found = (job_id for job_id, _, name in self._known if name == job.name)
            return replace(job, job_id=next(found, None))
        return job

    def in_queue(self, job: Job) -> bool:
        """Return True if any task of a job is pending or running."""
        return (job.job_id, job.name) in self._in_queue

    def find(self, job: Job, shard: int) -> TaskState | None:
        task = job.task_of(shard)
        return self._known.get((*task, job.name)) if task else None


def _own_shards(
    folders: Sequence[SubmissionFolder], tasks: _Tasks
) -> Iterator[tuple[SubmissionFolder, PlannedShard, Job]]:
    """Yield all shards with the items that no later submission took over."""
    owned: dict[JobStage, set[str]] = {stage: set() for stage in JobStage}
    found = []
    # An item belongs to the newest submission that has it, so the newest comes first here.
    for folder in reversed(folders):
        shards = []
        everything = list(folder.shards())
        for shard in everything:
            taken = owned[shard.stage]
            keep = [place for place, item in enumerate(shard.items) if item not in taken]
            if keep:
                shards.append(shard if len(keep) == len(shard.items) else shard.only(keep))
        if folder is not folders[0]:
            for shard in everything:
                owned[shard.stage].update(shard.items)
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
    """Return a shard without units that have left the sweep, as after an edit of a plug-in."""
    # A queued task runs all its items, even those that have left the sweep.
    if shard.stage is JobStage.report or (task and (task.runs or task.waits)):
        return shard
    units = [item.rpartition(":")[2] for item in shard.items]
    if all(unit in labels for unit in units):
        return shard
    return shard.only([place for place, unit in enumerate(units) if unit in labels])


def _left(results: Results, folder: SubmissionFolder, shard: PlannedShard) -> tuple[str, ...]:
    return tuple(item for item in shard.items if not results.is_done(shard, item, folder))
