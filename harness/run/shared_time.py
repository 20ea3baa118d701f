"""The time that several videos made in step take: each an equal part of every second."""

from __future__ import annotations

import time


class SharedTime:
    """A clock of videos that one worker makes in step, from their common start.

    Attributes:
        number: videos that are still made; given are those that begin.
    """

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self._looked_s = time.perf_counter()
        self._part_s = 0.0

    def part_s(self) -> float:
        """Return the part of the time so far that each video has which is still made."""
        now_s = time.perf_counter()
        self._part_s += (now_s - self._looked_s) / self.number
        self._looked_s = now_s
        return self._part_s

    def leave(self) -> None:
        """Note the end of one video: those that are left share the time from now on."""
        self.part_s()
        self.number = max(1, self.number - 1)
