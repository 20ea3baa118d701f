"""What of a submission's work is done, by the files of the run store alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

from harness.store.run_store import RunStore
from harness.store.shards import Shard
from slurm.attempt import Ending, read_attempts
from slurm.submission import JobStage, PlannedShard, SubmissionFolder
from slurm.task import still_missing


class StoreView:
    """When the results of a store were written; read once, without opening a single record.

    Whatever a submission planned was missing then. So a result that is newer than the plan counts,
    and only an older one is looked into: the record of a shorter video, or a damaged one.

    Args:
        store: the sweep's folder.
    """

    def __init__(self, store: Path) -> None:
        self._store = RunStore(store)
        self._units = store / "units"
        self._records: dict[str, int] = {}
        self._scores = {
            f"{folder.name}:{entry.name.removesuffix('.json')}": entry.stat().st_mtime_ns
            for folder in (store / "metrics").glob("*")
            if folder.is_dir()
            for entry in os.scandir(folder)
            if entry.name.endswith(".json")
        }

    def is_done(self, shard: PlannedShard, item: str, folder: SubmissionFolder) -> bool:
        """Whether an item of a shard has its result."""
        if shard.stage is JobStage.report:
            attempts = read_attempts(folder.attempts_path(shard.number))
            return any(attempt.ending is Ending.finished for attempt in attempts)
        if shard.stage is JobStage.generate:
            written = _mtime_ns(self._units / item / "record.json")
        else:
            suite, _, unit_id = item.rpartition(":")
            written = self._scores.get(f"{suite.rpartition(':')[2]}:{unit_id}", 0)
        if written == 0 or written > folder.planned_ns:
            return written > 0
        whole = Shard.read(folder.shard_path(shard.number))
        return item not in still_missing(whole.only({item})).items

    def has_video(self, unit_id: str) -> bool:
        """Whether a unit has a record."""
        return _mtime_ns(self._units / unit_id / "record.json") > 0

    def has_failed(self, item: str, folder: SubmissionFolder) -> bool:
        """Whether a worker of this submission, or a later one, gave a reason why an item failed."""
        return _mtime_ns(self._store.failure_path(item)) > folder.planned_ns

    def failure(self, item: str) -> str:
        """Why an item failed, as the worker wrote it."""
        path = self._store.failure_path(item)
        try:
            return str(json.loads(path.read_text())["error"])
        except (OSError, ValueError, KeyError) as unreadable:
            return f"{path.name} can't be read: {unreadable}"


def _mtime_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
