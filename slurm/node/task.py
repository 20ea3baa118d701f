"""The tasks that SLURM starts on a node.

submitit calls `ShardTask` with the path of a shard file. Nothing is kept in pickles: every start
reads from the run store what is done already. So preemption, time limits, node failures and manual
requeues are all the same: the task starts again and goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from submitit.helpers import Checkpointable

from harness.core.disk import disk_error
from harness.core.exits import exits_raised
from harness.run.worker import run_shard
from harness.store.paths import StorePaths
from harness.store.run_store import RunStore
from harness.store.shards import Shard
from slurm.attempts.attempt import AttemptFile, Ending, read_attempts
from slurm.attempts.counts import AttemptCounts, count_attempts, read_counts, saved_chunks
from slurm.node.requeue import StopSignals, requeue, stopped_early
from slurm.plan.missing import still_missing
from slurm.submission import JobStage, SubmissionFolder
from slurm.submit.jobs import submit_waiting


class ShardTask(Checkpointable):
    """Task that generates or scores one shard."""

    @exits_raised()
    def __call__(self, path: str) -> None:
        """Run what is left of the shard file at `path`."""
        signals = StopSignals()
        shard_path = Path(path)
        number, folder = int(shard_path.stem), SubmissionFolder(shard_path.parents[1])
        _find_plugins_of(folder)
        shard, attempts = Shard.read(shard_path), folder.attempts_path(number)
        chunks = {item: saved_chunks(Path(shard.store), item) for item in shard.items}
        counts = count_attempts(
            read_attempts(attempts), shard.items, read_counts(shard_path), chunks.__getitem__
        )
        # Chunks say how far a video is; how many clips are scored only earlier attempts know.
        saved = {item: max(chunks[item], counts[item].saved) for item in shard.items}
        attempt = AttemptFile(attempts, task_id(), saved, shard.batch)
        max_attempts = int(folder.submission.profile["max_attempts"])
        left = _without_abandoned(still_missing(shard), counts, max_attempts)
        if left.items:
            try:
                for part in _parts(left, counts):
                    if signals.received():
                        break
                    # SLURM gives a unit to one task at a time. Whoever else holds it may be a
                    # process of a lost node, which may hang there for good.
                    run_shard(part, attempt.show, signals.received, wait_for_others=False)
            except Exception as error:
                disk = disk_error(error, Path(shard.store))
                if disk is None:
                    raise
                attempt.withdraw()
                print(f"error: {disk}", file=sys.stderr)
                sys.exit(disk.exit_code)
        # A signal may arrive with the last item, and items that failed are not tried again in
        # this task: in both cases nothing is left to do.
        if signals.received() and set(still_missing(left).items) - set(attempt.failed):
            early = stopped_early(task_id(), int(folder.submission.profile["signal_delay_s"]))
            attempt.end(Ending.preempted if early else Ending.stopped)
            requeue(task_id())
        attempt.end(Ending.finished)
        if not signals.received():  # or the sweep may be being cancelled
            submit_waiting(folder, TASKS)


class ReportTask(Checkpointable):
    """Task that builds the report of a sweep."""

    @exits_raised()
    def __call__(self, path: str) -> None:
        """Build the report; `path` is the folder of this task's attempts."""
        _find_plugins_of(SubmissionFolder(Path(path).parents[1]))
        from harness.run.final_scores import write_rows
        from reports.site.build import build_report

        attempt = AttemptFile(Path(path), task_id(), {})
        root = Path(path).parents[3]
        write_rows(RunStore(root), StorePaths(root).suites())
        paths = build_report(root)
        print(*paths.ablations, paths.index, sep="\n")
        attempt.end(Ending.finished)


TASKS: Mapping[JobStage, Callable[[str], None]] = {
    JobStage.generate: ShardTask(),
    JobStage.evaluate: ShardTask(),
    JobStage.report: ReportTask(),
}
"""The code that SLURM starts on a node, by stage."""


def task_id() -> str:
    """Return SLURM's id of this task, "12_3" in an array; "none" outside of SLURM."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array:
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID", "none")


def _find_plugins_of(folder: SubmissionFolder) -> None:
    """Append the working folder of the command to sys.path, where the user's plug-ins are.

    It comes last: the folder may well have an `eval/` or a `methods/` of its own.
    """
    if folder.submission.cwd not in sys.path:
        sys.path.append(folder.submission.cwd)


def _parts(shard: Shard, counts: Mapping[str, AttemptCounts]) -> Iterator[Shard]:
    """Yield what is made in step, and then alone the units with which a process died in step."""
    alone = {item for item in shard.items if counts[item].in_step}
    for part in (shard.without(alone), replace(shard.only(alone), batch=1)):
        if part.items:
            yield part


def _without_abandoned(
    shard: Shard, counts: Mapping[str, AttemptCounts], max_attempts: int
) -> Shard:
    """Drop items that reached `max_attempts`, record why, and return the remaining shard.

    `resume` drops them before it submits, but a task that SLURM requeues reaches the limit here.
    """
    abandoned = {item for item in shard.items if counts[item].unsuccessful >= max_attempts}
    for item in abandoned:
        text = f"skipped after {counts[item].unsuccessful} unsuccessful attempts: {counts[item]}"
        RunStore(Path(shard.store)).write_failure(item, text, "")
    return shard.only(set(shard.items) - abandoned)
