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

from harness.events import Event, EventKind
from harness.files import write_json

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
        saved: chunks of it that were saved when it was begun.
        item_started: clock of the host.
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
    item_started: float = 0.0
    num_done: int = 0
    failed: tuple[str, ...] = field(default=())
    ending: Ending = Ending.none


class AttemptFile:
    """Writes the attempt of this process, so that `status` sees it.

    Args:
        folder: where the attempts of the shard are.
        saved_chunks: chunks saved of an item, by its name.
    """

    def __init__(self, folder: Path, job_id: str, saved_chunks: Mapping[str, int]) -> None:
        now = time.time()
        self._saved_chunks = saved_chunks
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
            saved = self._saved_chunks.get(event.item, 0)
            self._attempt = replace(
                before, item=event.item, amount=0, saved=saved, item_started=time.time()
            )
            self._write()
        elif event.kind is EventKind.progress:
            self._attempt = replace(before, amount=event.amount)
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


def count_tries(attempts: list[Attempt], before: Mapping[str, int]) -> dict[str, int]:
    """How often each item was begun in vain.

    In vain is: it failed, or the attempt ended at it (killed or stopped) and nothing more of it was
    saved than at the attempt before. An attempt that was killed while loading counts for "".

    Args:
        attempts: in order.
        before: counts of earlier submissions.
    """
    tries = dict(before)
    saved: dict[str, int] = {}
    for attempt in attempts:
        for item in attempt.failed:
            tries[item] = tries.get(item, 0) + 1
        item = attempt.item
        if attempt.ending is Ending.finished or item in attempt.failed:
            continue
        if attempt.saved > saved.get(item, attempt.saved):
            tries[item] = 0
        saved[item] = attempt.saved
        tries[item] = tries.get(item, 0) + 1
    return {item: count for item, count in tries.items() if count}
