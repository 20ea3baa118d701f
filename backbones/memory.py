"""How much memory there is."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

GIB = 2**30


def available_host_bytes() -> int:
    """Host memory this process may still take: the machine's, or less where a cgroup says so."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return sys.maxsize  # no such file outside Linux: nothing is known
    available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return min(available * 1024, _left_in_cgroup())


def _left_in_cgroup() -> int:
    """What the tightest memory limit of this process's cgroups leaves."""
    left = sys.maxsize
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if not controllers:  # version 2
                root, limit, usage = Path("/sys/fs/cgroup"), "memory.max", "memory.current"
            elif "memory" in controllers.split(","):
                root = Path("/sys/fs/cgroup/memory")
                limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
            else:
                continue
            folder = root / name.lstrip("/")
            for group in (folder, *folder.parents):
                if (group / limit).is_file() and (group / limit).read_text().strip() != "max":
                    room = int((group / limit).read_text()) - int((group / usage).read_text())
                    left = min(left, max(0, room))
    return left
