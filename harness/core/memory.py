"""How much memory there is."""

from __future__ import annotations

import contextlib
import gc
import sys
from pathlib import Path

import torch

GIB = 2**30


def available_host_bytes() -> int:
    """Host memory this process may still take: the machine's, or less where a cgroup says so."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return sys.maxsize  # no such file outside Linux: nothing is known
    available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return min(available * 1024, _left_in_cgroup())


def free_device_bytes(device: torch.device) -> int:
    """Memory of the device that may be used; on a GPU, what earlier units left is given back."""
    if device.type != "cuda":
        return available_host_bytes()
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


def _left_in_cgroup() -> int:
    """What the tightest limit of this process's cgroups leaves; cached files count as free."""
    left = sys.maxsize
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if not controllers:  # version 2
                root, limit, usage = Path("/sys/fs/cgroup"), "memory.max", "memory.current"
                cached = "inactive_file "
            elif "memory" in controllers.split(","):
                root = Path("/sys/fs/cgroup/memory")
                limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
                cached = "total_inactive_file "
            else:
                continue
            folder = root / name.lstrip("/")
            for group in (folder, *folder.parents):
                if (group / limit).is_file() and (group / limit).read_text().strip() != "max":
                    room = int((group / limit).read_text()) - int((group / usage).read_text())
                    stat = (group / "memory.stat").read_text().splitlines()
                    room += sum(int(line.split()[1]) for line in stat if line.startswith(cached))
                    left = min(left, max(0, room))
    return left
