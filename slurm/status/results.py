"""Results of a sweep for `status`: the items that are done, and those that failed."""

from __future__ import annotations

import os
from pathlib import Path

from harness.core.errors import StoreError
from harness.core.names import suite_stem
from harness.store.run_store import RunStore
from harness.store.shards import Shard
from slurm.attempts.attempt import Ending, read_attempts
from slurm.plan.missing import still_missing
from slurm.submission import JobStage, PlannedShard, SubmissionFolder


class Results:
    """Modification times of a store's results, by which completion is known without opening them.

    All that a submission planned was missing at that time. A result that is newer than the plan is
    therefore complete; only an older one must be opened, as it may be the record of a shorter
    video, or damaged.

    Args:
        store: the sweep's folder.
    """

    def __init__(self, store: Path) -> None:
        self._store = RunStore(store)
        # Scores of all units lie in one folder per suite, which is fast to list. Records lie in a
        # folder per unit and are looked up one by one, when asked for.
        self._scores = {
            f"{suite}:{entry.name.removesuffix('.json')}": entry.stat().st_mtime_ns
            for suite in self._store.suites()
            for entry in os.scandir(self._store.suite_dir(suite))
            if entry.name.endswith(".json")
        }

    def is_done(self, shard: PlannedShard, item: str, folder: SubmissionFolder) -> bool:
        """Return True if an item of a shard has its result."""
        if shard.stage is JobStage.report:
            attempts = read_attempts(folder.attempts_path(shard.number))
            return any(attempt.ending is Ending.finished for attempt in attempts)
        if shard.stage is JobStage.generate:
            written = _mtime_ns(self._store.record_path(item))
        else:
            # A suite that is a class of the user, "module:Class:unit", is filed by class name.
            suite, _, unit_id = item.rpartition(":")
            written = self._scores.get(f"{suite_stem(suite)}:{unit_id}", 0)
        if written == 0 or written > folder.planned_ns:
            return written > 0
        whole = Shard.read(folder.shard_path(shard.number))
        return item not in still_missing(whole.only({item})).items

    def has_video(self, unit_id: str) -> bool:
        """Return True if a unit has a record."""
        return _mtime_ns(self._store.record_path(unit_id)) > 0

    def has_failed(self, item: str, folder: SubmissionFolder) -> bool:
        """Return True if a worker recorded a failure of an item since a submission."""
        return _mtime_ns(self._store.failure_path(item)) > folder.planned_ns

    def failure(self, item: str) -> str:
        """Return the reason that the worker recorded for a failed item."""
        try:
            failure = self._store.failure(item)
        except (OSError, StoreError) as unreadable:
            return str(unreadable)
        return failure.error if failure else "its failure report is gone"


def _mtime_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
