"""The result of a sweep, of one generated video, or of scoring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.store import Store

if TYPE_CHECKING:
    from harness.store.record import Record
    from harness.store.run_store import RunStore


@dataclass(frozen=True)
class Result:
    """Result of a call: everything it made, and the items that failed.

    Attributes:
        store: run store with the videos, their plans and their scores.
        records: record of every finished unit that the call asked for, by unit id.
        failures: one line per failure, by unit id, by "suite:unit id" where scoring failed, or by
            file name where a video of the user's was left out.
        pending: ids of units that were submitted to a cluster and are not finished yet.
    """

    store: Store
    records: Mapping[str, Record]
    failures: Mapping[str, str]
    pending: tuple[str, ...] = ()

    @property
    def videos(self) -> list[Path]:
        """Paths of the video files of `records`, in the same order."""
        units = self.store.folder / "units"
        return [units / unit_id / record.video.file for unit_id, record in self.records.items()]


def collect(store: RunStore, unit_ids: Iterable[str], failures: Mapping[str, str]) -> Result:
    """Read what a run store now holds of some units."""
    found = {unit_id: store.record(unit_id) for unit_id in dict.fromkeys(unit_ids)}
    records = {unit_id: record for unit_id, record in found.items() if record is not None}
    return Result(Store(store.root.absolute()), records, dict(failures))
