"""Memory of this process: the most it took, and freed memory given back."""

from __future__ import annotations

import ctypes
import gc
import resource
from pathlib import Path


def give_memory_back() -> None:
    """Return freed memory to the system; the allocator of a process of ours keeps it otherwise."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def peak_mib() -> float:
    """Highest resident memory so far; what a parent process took before does not count."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
