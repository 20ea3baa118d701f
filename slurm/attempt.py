"""The sign of life of a task: one small file per start, rewritten while it works.

It says what is being made, by whom and how far it is. Nobody concludes from it that a task is alive
or dead (that is SLURM's to say), only where it was.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from harness.core.events import Event, EventKind
from harness.core.files import write_json

_WRITE_EVERY_S = 2.0


class Ending(StrEnum):
    """How an attempt ended; one that was killed never says."""

    none = ""
    finished = "finished"
    stopped = "stopped"


@dataclass(frozen=True)
class Attempt:
    """One start of a task.

    Attributes:
        job_id: SLURM's id, "12_3" in an array.
        host: name of the machine.
        node: name of the node, as SLURM calls it.
        pid: process.
        started: clock of the host, seconds since 1970.
        updated: the same, of the last write.
        clock_ahead_s: clock of the host less that of the file system.
        item: what it is at; empty while loading.
        amount: latent frames or clips made of it.
        saved: what was saved of it when it was begun: chunks of a video, clips of scores.
        replayed: of `amount`, what was not made anew but taken from what was saved.
        item_started: clock of the host, when the first that is made anew was begun.
        num_done: items done in this attempt.
        failed: items that failed in it.
        ending: how it ended.
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

    @property
    def kept(self) -> int:
        """What is known to be saved of `item`: of scores, the outputs for every clip are."""
        return max(self.saved, self.amount) if ":" in self.item else self.saved


class AttemptFile:
    """Writes the attempt of this process, so that `status` sees it.

    Args:
        folder: where the attempts of the shard are.
        saved: what is saved of an item, by its name; see Attempt.
    """

    def __init__(self, folder: Path, job_id: str, saved: Mapping[str, int]) -> None:
        now = time.time()
        self._saved = saved
        host, pid = socket.gethostname(), os.getpid()
        node = os.environ.get("SLURMD_NODENAME", host)
        number = 1 + len(list(folder.glob("*.json")))
        self.path = folder / f"{number:03d}-{host}-{pid}.json"
        self._attempt = Attempt(job_id, host, node, pid, now, now)
        self._write()
        ahead = self._attempt.updated - self.path.stat().st_mtime
        self._attempt = replace(self._attempt, clock_ahead_s=round(ahead, 3))
        self._write()

    def show(self, event: Event) -> None:
        """Take in an event of the worker; a new item is on disk before it is begun."""
        before = self._attempt
        if event.kind is EventKind.done:
            self._attempt = replace(before, num_done=before.num_done + 1)
        elif event.kind is EventKind.failed:
            self._attempt = replace(before, failed=(*before.failed, event.item))
        elif event.kind is EventKind.progress and event.item != before.item:
            self._attempt = replace(
                before,
                item=event.item,
                amount=0,
                saved=self._saved.get(event.item, 0),
                replayed=0,
                item_started=time.time(),
            )
            self._write()
        elif event.kind is EventKind.progress:
            self._attempt = replace(before, amount=event.amount)
            scored_before = ":" in event.item and 0 < event.amount <= before.saved
            if event.replayed or scored_before:
                self._attempt = replace(
                    self._attempt, replayed=event.amount, item_started=time.time()
                )
            if time.time() - before.updated > _WRITE_EVERY_S:
                self._write()

    @property
    def failed(self) -> tuple[str, ...]:
        """Items that failed so far."""
        return self._attempt.failed

    def end(self, ending: Ending) -> None:
        """Say how it ended."""
        self._attempt = replace(self._attempt, ending=ending)
        self._write()

    def _write(self) -> None:
        self._attempt = replace(self._attempt, updated=time.time())
        write_json(self.path, asdict(self._attempt))


def read_attempts(folder: Path) -> list[Attempt]:
    """All attempts of a shard, the first one first; what can't be read is left out."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            fields = json.loads(path.read_text())
            failed, ending = tuple(fields["failed"]), Ending(fields["ending"])
            found.append(Attempt(**fields | {"failed": failed, "ending": ending}))
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return sorted(found, key=lambda attempt: attempt.started)
