"""Freed memory, given back."""

from __future__ import annotations

import ctypes
import gc


def give_memory_back() -> None:
    """Return freed memory to the system; the allocator of a process of ours keeps it otherwise."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
