"""Processes of local sweeps: who works on a run store at this moment."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.store.claims import take
from harness.store.paths import StorePaths


@dataclass(frozen=True)
class Process:
    """A process that makes units or scores of a run store.

    Attributes:
        pid: its id on `host`.
        host: name of its machine.
        since: when it began, UTC.
    """

    pid: int
    host: str
    since: str

    @property
    def is_here(self) -> bool:
        """Return whether it runs on this machine."""
        return self.host == socket.gethostname()

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def working(paths: StorePaths) -> Iterator[None]:
    """Let other commands see that this process works on the run store."""
    claim = take(paths.processes_dir / f"{socket.gethostname()}-{os.getpid()}")
    try:
        yield
    finally:
        if claim:
            claim.release()


def running_processes(paths: StorePaths) -> list[Process]:
    """Return the processes that work on a run store now, this one left out.

    Where the file system has no locks, nothing tells who still works: none is returned.
    """
    found = []
    for path in sorted(paths.processes_dir.glob("*-*")):
        host, _, pid = path.name.rpartition("-")
        if not pid.isdecimal() or (int(pid), host) == (os.getpid(), socket.gethostname()):
            continue
        try:
            began_s = path.stat().st_mtime
            claim = take(path)
        except OSError:  # it just ended, or the store is read-only
            continue
        if claim:
            if claim.descriptor is not None:
                claim.release()  # left by a process that was killed
        else:
            since = datetime.fromtimestamp(began_s, UTC).isoformat(timespec="seconds")
            found.append(Process(int(pid), host, since))
    return found
