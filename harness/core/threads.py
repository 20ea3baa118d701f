"""How many threads evaluation may use: one number for the networks and for OpenCV."""

from __future__ import annotations

import os

from harness.core.errors import LongtakeError

# The networks are small and a clip has few frames, so more threads only get in each other's way.
MOST_THREADS = 8


def num_threads() -> int:
    """The threads this process may use: LONGTAKE_THREADS, else the cores it is allowed to run on.

    Raises:
        LongtakeError: LONGTAKE_THREADS is not a positive number.
    """
    if asked := os.environ.get("LONGTAKE_THREADS"):
        if not asked.isdecimal() or int(asked) == 0:
            raise LongtakeError(f"LONGTAKE_THREADS is {asked!r}; expected a positive number.")
        return int(asked)
    # A job of a cluster is often confined to a few cores of its node; cpu_count sees all of them.
    confined = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if confined else os.cpu_count() or 1
    return min(cores, MOST_THREADS)
