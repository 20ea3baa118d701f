"""The file stages.jsonl: how long stages took whose time no record tells."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from harness.core.errors import StoreError
from harness.core.typed_files import from_line, to_line
from harness.store.paths import StorePaths
from harness.store.record import now


@dataclass(frozen=True)
class StageTime:
    """One stage of one command.

    Those of units and of their scores stand in records and score files.

    Attributes:
        stage: report.
        seconds: wall time.
        num_items: units of the report.
        time: when it ended, UTC.
    """

    stage: str
    seconds: float
    num_items: int
    time: str

    @classmethod
    def ended_now(cls, stage: str, seconds: float, num_items: int) -> StageTime:
        """Return a stage that ended at this moment."""
        return cls(stage, seconds, num_items, now())


def add_stage_times(paths: StorePaths, times: list[StageTime]) -> None:
    """Append stages; a line at a time, so that several commands may do so at once."""
    with paths.stages_path.open("ab") as file:
        file.writelines(map(to_line, times))


def read_stage_times(paths: StorePaths) -> list[StageTime]:
    """Return all stages; lines that can't be read are left out."""
    found: list[StageTime] = []
    try:
        lines = paths.stages_path.read_bytes().splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        with contextlib.suppress(StoreError):
            found.append(from_line(line, StageTime, paths.stages_path.name))
    return found
