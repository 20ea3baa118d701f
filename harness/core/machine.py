"""The machine of this process: CPU, cores, threads and host memory.

Imports no torch, so that commands which only look at the machine start quickly.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import resource
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from harness.core.errors import ConfigError

GIB = 2**30
# Evaluation networks are small and clips short, so further threads only add contention.
_MAX_EVAL_THREADS = 8
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h

# Set by `prepare_process`.
_prepared_threads: int | None = None
_host_workers = _device_workers = 1


@cache
def cpu_name() -> str:
    """Return the model name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def num_cores() -> int:
    """Count the CPU cores this process may use.

    A cluster often confines a job to a few cores of its node; os.cpu_count() sees all of them.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare_process(threads: int, host_workers: int = 1, device_workers: int = 1) -> None:
    """Set up a process that computes: its CPU threads, and malloc to keep freed memory.

    Page faults are expensive on some machines, and a rollout frees and takes the same blocks at
    every step.

    Args:
        threads: its CPU threads.
        host_workers: processes like this one that share the memory of the machine.
        device_workers: those that share that of its GPU.
    """
    import torch

    global _prepared_threads, _host_workers, _device_workers
    _prepared_threads, _host_workers, _device_workers = threads, host_workers, device_workers
    torch.set_num_threads(threads)
    # cuBLAS is repeatable only with a workspace of fixed size; it reads this at its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_TOP_PAD, 64 * 2**20)
        libc.mallopt(_M_MMAP_MAX, 0)


def eval_threads() -> int:
    """Return the CPU threads that evaluation networks and OpenCV may use in this process.

    The number given to `prepare_process`; in a process without that call the environment variable
    LONGTAKE_THREADS, else one thread per core up to 8.

    Raises:
        ConfigError: LONGTAKE_THREADS is not a positive number.
    """
    if _prepared_threads is not None:
        return _prepared_threads
    if asked := os.environ.get("LONGTAKE_THREADS"):
        if not asked.isdecimal() or int(asked) == 0:
            raise ConfigError(f"LONGTAKE_THREADS is {asked!r}; expected a positive number.")
        return int(asked)
    return min(num_cores(), _MAX_EVAL_THREADS)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute a block with a single CPU thread of torch."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def available_host_bytes() -> int:
    """Return the host memory this process may still allocate.

    That is the free memory of the machine, or less if the limit of a cgroup is tighter.
    """
    return min(_memory_bytes("MemAvailable"), _cgroup_room_bytes())


def host_share_bytes() -> int:
    """Return the host memory that this process may plan with: what is available.

    Of several workers each has an equal part of the whole, so that the one which starts first does
    not take what the others will need.
    """
    whole = min(_memory_bytes("MemTotal"), *(limit for limit, _ in _cgroups()), sys.maxsize)
    return min(available_host_bytes(), whole // _host_workers)


def device_workers() -> int:
    """Return the processes like this one that share the memory of its GPU."""
    return _device_workers


def peak_host_mib() -> float:
    """Return the highest resident memory of this process since it began or `reset_peak_host`.

    The peak that getrusage reports is inherited from the parent process, so it is only the
    fallback outside Linux.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def reset_peak_host() -> None:
    """Start `peak_host_mib` from the memory in use now, where the system allows it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def give_memory_back() -> None:
    """Return freed memory to the system, which malloc keeps after `prepare_process`."""
    import psutil

    gc.collect()
    if hasattr(psutil, "heap_trim"):  # not on every platform
        psutil.heap_trim()


def _memory_bytes(name: str) -> int:
    """Return a figure of this machine's memory: MemTotal, or MemAvailable to programs.

    psutil reads the same file, but the GPU self-test may run where it is not installed.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux
        import psutil

        memory = psutil.virtual_memory()
        return int(memory.total if name == "MemTotal" else memory.available)
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])


def _cgroup_room_bytes(
    membership: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")
) -> int:
    """Return what the tightest memory limit of this process's cgroups leaves.

    `_memory_bytes` knows the machine only.
    """
    return min((room for _, room in _cgroups(membership, mount)), default=sys.maxsize)


def _cgroups(
    membership: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")
) -> list[tuple[int, int]]:
    """Return each memory limit of this process's cgroups, and what it leaves.

    A limit may be set on the process's own cgroup or on one of its parents; cached file pages count
    as free, since the kernel drops them under pressure.
    """
    found = []
    with contextlib.suppress(OSError, ValueError):
        for line in membership.read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if not controllers:  # version 2
                root, limit, usage = mount, "memory.max", "memory.current"
                cached = "inactive_file "
            elif "memory" in controllers.split(","):
                root = mount / "memory"
                limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
                cached = "total_inactive_file "
            else:
                continue
            folder = root / name.lstrip("/")
            for group in (folder, *folder.parents):
                if (group / limit).is_file() and (group / limit).read_text().strip() != "max":
                    most = int((group / limit).read_text())
                    left = most - int((group / usage).read_text())
                    stat = (group / "memory.stat").read_text().splitlines()
                    left += sum(int(line.split()[1]) for line in stat if line.startswith(cached))
                    found.append((most, max(0, left)))
    return found
