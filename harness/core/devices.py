"""The device a process computes on, and how many threads it takes."""

from __future__ import annotations

import ctypes
import os

import torch

from harness.core.determinism import prepare_cublas
from harness.core.errors import LongtakeError

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def pick_device(name: str) -> torch.device:
    """The torch device for a setting: auto takes the first GPU, if there is one.

    Raises:
        LongtakeError: the device doesn't exist here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise LongtakeError(f"device={name!r} is not auto, cpu, cuda or cuda:N.") from error
    if device.type not in ("cpu", "cuda"):
        raise LongtakeError(f"device={name!r} is not auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise LongtakeError(
            f"device={name!r}, but this machine has {torch.cuda.device_count()} CUDA devices."
        )
    if device.type == "cuda":
        # Captures and pinned memory go by the current device.
        device = torch.device("cuda", device.index or 0)
        torch.cuda.set_device(device)
    return device


def memory_hint(error: Exception) -> str:
    """What may help after an error, if it is that the device's memory ran out; else nothing."""
    if not isinstance(error, torch.OutOfMemoryError):
        return ""
    return " Lower kv.device_gib, or run fewer workers on this device."


def prepare_process(threads: int) -> None:
    """Fix the number of threads, and keep freed memory: fresh pages are dear on some machines."""
    torch.set_num_threads(threads)
    os.environ["LONGTAKE_THREADS"] = str(threads)  # evaluation reads it
    prepare_cublas()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_TOP_PAD, 64 * 2**20)
        libc.mallopt(_M_MMAP_MAX, 0)
