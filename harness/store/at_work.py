"""The units that processes work on at this moment, and how long each has made no progress."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from harness.store.claims import LEASE_S


@dataclass(frozen=True)
class UnitAtWork:
    """A unit that a process makes or scores.

    Attributes:
        unit: its id.
        process: the machine and the process.
        quiet_s: seconds without a new block or clip, to half a minute.
    """

    unit: str
    process: str
    quiet_s: float


def units_at_work(claims_dir: Path) -> list[UnitAtWork]:
    """Return the units that are claimed, without touching the locks of those who claim them."""
    found = []
    for path in sorted(claims_dir.glob("*")):
        try:
            process, _, moved = path.read_text(errors="replace").strip().partition("\n")
            age_s = time.time() - path.stat().st_mtime
        except FileNotFoundError:  # it just ended
            continue
        if moved.isdecimal() and _is_alive(process, age_s):
            found.append(UnitAtWork(path.name, process, max(0.0, time.time() - int(moved))))
    return found


def _is_alive(process: str, age_s: float) -> bool:
    """Return whether a process is there, or on another machine gave a sign within a lease."""
    host, _, pid = process.partition(", process ")
    if host != socket.gethostname() or not pid.isdecimal():
        return age_s < LEASE_S
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
