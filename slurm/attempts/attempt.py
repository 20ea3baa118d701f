"""An attempt: one start of a task, described in one small file that the task keeps up to date.

The file names the item in work, the machine and the progress. It does not prove that the task is
alive, which only SLURM knows.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from harness.core.errors import StoreError
from harness.core.events import Event, EventKind
from harness.core.typed_files import read_typed, write_typed

_WRITE_EVERY_S = 2.0


class Ending(StrEnum):
    """Ending of an attempt, as the task wrote it; a killed task writes none.

    stopped: by the signal before its time limit. preempted: by a signal long before that.
    """

    none = ""
    finished = "finished"
    stopped = "stopped"
    preempted = "preempted"


@dataclass(frozen=True)
class Beside:
    """An item that an attempt works on beside its own.

    Attributes:
        item: the unit.
        amount: latent frames of it that are done.
        saved: chunks of it that were saved when this attempt started on it.
    """

    item: str
    amount: int
    saved: int


@dataclass(frozen=True)
class Attempt:
    """One start of a task. Times are seconds since 1970 by the clock of the host.

    Attributes:
        job_id: SLURM's id of the task, "12_3" in an array.
        host: name of the machine.
        node: SLURM's name of the node.
        pid: process id.
        started: time of the start.
        updated: time of the last write.
        clock_ahead_s: clock of the host minus that of the file system.
        item: unit or evaluation being worked on, of several in step the latest to report; empty
            while loading.
        amount: latent frames or clips of it that are done.
        saved: its saved progress when this attempt started on it: chunks of a video, clips scored.
        replayed: part of `amount` that was saved before and therefore not computed again.
        item_started: time of the start of the first latent frame or clip after `replayed`.
        num_done: items finished by this attempt.
        failed: items that failed in this attempt.
        ending: how the attempt ended.
        restarts: how often SLURM had put the task back into the queue before it.
        beside: the other units that are made in step with `item`.
    """

    job_id: str
    host: str
    node: str
    pid: int
    started: float
    updated: float
    clock_ahead_s: float = 0.0
    item: str = ""
    amount: int = 0
    saved: int = 0
    replayed: int = 0
    item_started: float = 0.0
    num_done: int = 0
    failed: tuple[str, ...] = field(default=())
    ending: Ending = Ending.none
    restarts: int = 0
    beside: tuple[Beside, ...] = ()

    @property
    def saved_at_end(self) -> int:
        """Known progress of `item` on disk when the attempt ended, in the unit of `saved`.

        Scoring saves every clip as it goes; how many chunks of a video were added is not known.
        """
        return max(self.saved, self.amount) if ":" in self.item else self.saved


class AttemptFile:
    """Writes the attempt of this process.

    Args:
        folder: attempts of the shard.
        job_id: SLURM's id of the task.
        saved: what is saved of each item; see Attempt.
        batch: most items that are worked on in step.
    """

    def __init__(self, folder: Path, job_id: str, saved: Mapping[str, int], batch: int = 1) -> None:
        now = time.time()
        self._saved = saved
        self._batch = batch
        self._in_work: dict[str, _InWork] = {}  # the latest to report comes last
        host, pid = socket.gethostname(), os.getpid()
        node = os.environ.get("SLURMD_NODENAME", host)
        number = 1 + len(list(folder.glob("*.json")))
        self.path = folder / f"{number:03d}-{host}-{pid}.json"
        restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        self._attempt = Attempt(job_id, host, node, pid, now, now, restarts=restarts)
        self._write()
        ahead = self._attempt.updated - self.path.stat().st_mtime
        self._attempt = replace(self._attempt, clock_ahead_s=round(ahead, 3))
        self._write()

    def show(self, event: Event) -> None:
        """Record an event of the worker."""
        before = self._attempt
        if event.kind in (EventKind.done, EventKind.failed):
            self._in_work.pop(event.item, None)
            if event.kind is EventKind.done:
                self._attempt = replace(before, num_done=before.num_done + 1)
            else:
                self._attempt = replace(before, failed=(*before.failed, event.item))
        elif event.kind is EventKind.progress:
            begun = self._in_work.pop(event.item, None)
            self._in_work[event.item] = self._after(begun, event)
            # An item that another process took over ends without an event.
            for item in [*self._in_work][: -self._batch]:
                del self._in_work[item]
            self._follow(event.item)
            # Written before work on the item starts, to name an item that kills the process.
            if begun is None or time.time() - before.updated > _WRITE_EVERY_S:
                self._write()

    def _after(self, begun: _InWork | None, event: Event) -> _InWork:
        """Return what is known of an item after an event of its progress."""
        if begun is None:
            return _InWork(0, self._saved.get(event.item, 0), 0, time.time())
        # Events of videos mark replayed frames. Clips that an earlier attempt scored are read from
        # disk, unmarked, and would make the pace look too fast.
        scored_before = ":" in event.item and 0 < event.amount <= begun.saved
        if event.replayed or scored_before:
            begun = replace(begun, replayed=event.amount, item_started=time.time())
        return replace(begun, amount=event.amount)

    def _follow(self, item: str) -> None:
        """Describe an item as the one in work, and the others as beside it."""
        work = self._in_work[item]
        self._attempt = replace(
            self._attempt,
            item=item,
            amount=work.amount,
            saved=work.saved,
            replayed=work.replayed,
            item_started=work.item_started,
            beside=tuple(
                Beside(other, its.amount, its.saved)
                for other, its in self._in_work.items()
                if other != item
            ),
        )

    @property
    def failed(self) -> tuple[str, ...]:
        """Items that have failed so far."""
        return self._attempt.failed

    def end(self, ending: Ending) -> None:
        """Record how the attempt ended."""
        self._attempt = replace(self._attempt, ending=ending)
        self._write()

    def withdraw(self) -> None:
        """Remove the file, so that the attempt counts against no item.

        For an attempt that a full disk ended: removing needs no space, recording would.
        """
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        self._attempt = replace(self._attempt, updated=time.time())
        write_typed(self.path, self._attempt)


@dataclass(frozen=True)
class _InWork:
    """Progress of an item, as in `Attempt`."""

    amount: int
    saved: int
    replayed: int
    item_started: float


def read_attempts(folder: Path) -> list[Attempt]:
    """Read all attempts of a shard in the order of their start.

    A damaged file is left out: its attempt counts against no item, so that one more is made.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, StoreError):
            found.append(read_typed(path, Attempt))
    return sorted(found, key=lambda attempt: attempt.started)
