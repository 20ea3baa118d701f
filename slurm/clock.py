"""Clocks of machines, compared with that of the file system that all of them share."""

from __future__ import annotations

import socket
import time
from pathlib import Path

# Larger differences make times from several machines incomparable.
MAX_SKEW_S = 30.0


def clock_skew_s(folder: Path) -> float:
    """Return the seconds by which this machine's clock is ahead of the file system's.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".clock-{socket.gethostname()}-{time.time_ns()}"
    try:
        probe.write_text("")
        return time.time() - probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
