"""What runs on a node: one array task does one shard, whatever happens to it.

submitit calls `ShardTask` with the path of a shard file. Nothing is kept in pickles: every start
reads from the run store what is done already. So preemption, time limits, node failures and
requeueing by hand all come to the same: the task starts again and goes on.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from types import FrameType

from submitit.helpers import Checkpointable

from harness.errors import LongtakeError
from harness.shards import Evaluation, Shard, Stage
from harness.store import RunStore
from harness.sweep import missing_evaluations, missing_units
from harness.worker import run_shard
from slurm.attempt import AttemptFile, Ending, count_tries, read_attempts
from slurm.commands import run
from slurm.submission import SubmissionFolder

_REQUEUE_TRIES = 4
_REQUEUE_WAIT_S = 5.0


class ShardTask(Checkpointable):
    """Does one shard."""

    def __call__(self, path: str) -> None:
        """Run the shard file at `path`, or what is left of it."""
        signals = StopSignals()
        shard_path = Path(path)
        number, folder = int(shard_path.stem), SubmissionFolder(shard_path.parents[1])
        shard = Shard.read(shard_path)
        attempts = folder.attempts_path(number)
        tries = count_tries(read_attempts(attempts), read_tried(shard_path))
        saved = {unit.id: _saved_chunks(shard, unit.id) for unit in shard.units}
        attempt = AttemptFile(attempts, _job_id(), saved)
        left = still_missing(shard)
        left = left.only({item for item in left.items if not _give_up(left, item, tries, folder)})
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
        from harness.final_scores import write_rows
        from reports.build import build_report

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
    for (suite, durations), tasks in groupby(shard.evaluations, key=_suite_and_durations):
        prompts = {task.unit_id: task.prompt for task in tasks}
        fresh += missing_evaluations(store, prompts, [float(d) for d in durations], [suite])
    return replace(shard, evaluations=tuple(fresh))


def tried_path(shard_path: Path) -> Path:
    """Where it stands how often items of a shard were begun in vain by earlier submissions."""
    return shard_path.with_suffix(".tried")


def read_tried(shard_path: Path) -> dict[str, int]:
    """The content of `tried_path`; empty if nothing was."""
    path = tried_path(shard_path)
    return json.loads(path.read_text()) if path.is_file() else {}


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


def _saved_chunks(shard: Shard, unit_id: str) -> int:
    folder = RunStore(Path(shard.store)).unit_dir(unit_id) / "partial"
    return len(list(folder.glob("[0-9]*.safetensors")))


def _give_up(shard: Shard, item: str, tries: dict[str, int], folder: SubmissionFolder) -> bool:
    """Record that an item that ended too many attempts in vain is not begun again."""
    most = int(folder.submission.profile["max_attempts"])
    count = max(tries.get(item, 0), tries.get("", 0))
    if count < most:
        return False
    where = "while loading" if tries.get("", 0) >= most else "without getting any further"
    text = f"given up after {count} attempts that ended {where}"
    RunStore(Path(shard.store)).write_failure(item.rpartition(":")[2], text, "")
    return True


def _job_id() -> str:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array:
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID", "none")


def count_all_tries(folders: Iterable[SubmissionFolder]) -> dict[str, int]:
    """How often each item was begun in vain, over all submissions, the oldest first."""
    tries: dict[str, int] = {}
    for folder in folders:
        if folder.submission.again:
            tries = {}
        items = {shard.number: shard.items for shard in folder.shards()}
        for attempts in sorted((folder.path / "attempts").glob("[0-9]*")):
            tries = count_tries(read_attempts(attempts), tries)
            while_loading = tries.pop("", 0)
            for item in items[int(attempts.name)] if while_loading else ():
                tries[item] = tries.get(item, 0) + while_loading
    return tries
