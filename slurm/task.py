"""What runs on a node: one array task does one shard, whatever happens to it.

submitit calls `ShardTask` with the path of a shard file. Nothing is kept in pickles: every start
reads from the run store what is done already. So preemption, time limits, node failures and
requeueing by hand all come to the same: the task starts again and goes on.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from types import FrameType

from submitit.helpers import Checkpointable

from harness.core.errors import LongtakeError
from harness.run.sweep import missing_evaluations, missing_units
from harness.run.worker import run_shard
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation, Shard, Stage
from slurm.attempt import AttemptFile, Ending, read_attempts
from slurm.commands import run
from slurm.submission import SubmissionFolder
from slurm.tries import Tried, count_tries, read_tried, saved_chunks

_REQUEUE_TRIES = 4
_REQUEUE_WAIT_S = 5.0


class ShardTask(Checkpointable):
    """Does one shard."""

    def __call__(self, path: str) -> None:
        """Run the shard file at `path`, or what is left of it."""
        signals = StopSignals()
        shard_path = Path(path)
        number, folder = int(shard_path.stem), SubmissionFolder(shard_path.parents[1])
        shard, attempts = Shard.read(shard_path), folder.attempts_path(number)
        chunks = {item: saved_chunks(Path(shard.store), item) for item in shard.items}
        tries = count_tries(
            read_attempts(attempts), shard.items, read_tried(shard_path), chunks.__getitem__
        )
        saved = {item: max(chunks[item], tries[item].saved) for item in shard.items}
        attempt = AttemptFile(attempts, _job_id(), saved)
        left = _without_given_up(
            still_missing(shard), tries, int(folder.submission.profile["max_attempts"])
        )
        if left.items:
            run_shard(left, attempt.show, signals.received)
        if signals.received() and set(still_missing(left).items) - set(attempt.failed):
            attempt.end(Ending.stopped)
            requeue()
        attempt.end(Ending.finished)


class ReportTask(Checkpointable):
    """Builds the report of a sweep."""

    def __call__(self, path: str) -> None:
        """Build the report; `path` is the folder of this task's attempts."""
        from harness.run.final_scores import write_rows
        from reports.site.build import build_report

        attempt = AttemptFile(Path(path), _job_id(), {})
        root = Path(path).parents[3]
        write_rows(RunStore(root), [folder.name for folder in (root / "metrics").glob("*/")])
        paths = build_report(root)
        print(*paths.ablations, paths.index, sep="\n")
        attempt.end(Ending.finished)


class StopSignals:
    """Turns the signals that end a job into a request to stop after the current block.

    submitit ignores SIGTERM, which is all that most clusters send before a preemption, and on
    SIGUSR2 (the time limit is near) it would drop the block at once.
    """

    def __init__(self) -> None:
        self._received: list[int] = []
        for signum in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(signum, self._note)

    def received(self) -> bool:
        """Whether one has come."""
        return bool(self._received)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._received.append(signum)


def still_missing(shard: Shard) -> Shard:
    """What of a shard is not done and can be begun."""
    store = RunStore(Path(shard.store))
    if shard.stage is Stage.generate:
        return replace(shard, units=tuple(missing_units(store, shard.units)))
    fresh: list[Evaluation] = []
    ordered = sorted(shard.evaluations, key=_suite_and_durations)
    for (suite, durations), tasks in groupby(ordered, key=_suite_and_durations):
        prompts = {task.unit_id: task.prompt for task in tasks}
        fresh += missing_evaluations(store, prompts, [float(d) for d in durations], [suite])
    return replace(shard, evaluations=tuple(fresh))


def requeue() -> None:
    """Give this task back to the queue and leave, unless SLURM has already decided about it.

    A task that just ends while it is being preempted counts as completed. One that is being
    cancelled or requeued by somebody else is no longer RUNNING for the controller.

    Raises:
        SystemExit: always.
    """
    job_id, error = _job_id(), ""
    for _ in range(_REQUEUE_TRIES):
        try:
            if run(["squeue", "-h", "-j", job_id, "-o", "%T"], timeout_s=20).strip() == "RUNNING":
                run(["scontrol", "requeue", job_id], timeout_s=20)
            sys.exit(1)
        except LongtakeError as failed:
            error = str(failed)
            time.sleep(_REQUEUE_WAIT_S)
    sys.exit(f"Stopped, progress is saved, but requeueing failed: {error}")


def _suite_and_durations(task: Evaluation) -> tuple[str, tuple[str, ...]]:
    return task.suite, tuple(task.durations_frames)


def _without_given_up(shard: Shard, tries: Mapping[str, Tried], most: int) -> Shard:
    """The rest, after it is noted that an item with too many attempts in vain isn't begun again."""
    given_up = {item for item in shard.items if tries[item].num_vain >= most}
    for item in given_up:
        text = f"given up after {tries[item].num_vain} attempts: {tries[item]}"
        RunStore(Path(shard.store)).write_failure(item, text, "")
    return shard.only(set(shard.items) - given_up)


def _job_id() -> str:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array:
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID", "none")
