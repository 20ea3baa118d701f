"""Processes of local sweeps: who works on a run store at this moment."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.store.claims import is_held, take
from harness.store.paths import StorePaths

_TRIES, _LOOK_EVERY_S = 20, 0.05


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
    path = paths.processes_dir / f"{socket.gethostname()}-{os.getpid()}"
    claim = take(path)
    for _ in range(_TRIES):
        if claim:
            break
        time.sleep(_LOOK_EVERY_S)  # another process is looking whether it is held
        claim = take(path)
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
            held = is_held(path)
        except FileNotFoundError:  # it just ended
            continue
        if held is False:  # left by a process that was killed
            with suppress(OSError):
                path.unlink(missing_ok=True)
        elif held:
            since = datetime.fromtimestamp(began_s, UTC).isoformat(timespec="seconds")
            found.append(Process(int(pid), host, since))
    return found
