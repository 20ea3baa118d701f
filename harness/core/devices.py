"""Compute devices: choice of the device of a process, and its memory."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError, DeviceError
from harness.core.machine import available_host_bytes, reset_peak_host

if TYPE_CHECKING:
    import torch


def pick_device(name: str) -> torch.device:
    """Return the torch device for a setting, and make it the current one.

    Args:
        name: "cpu", "cuda", "cuda:N", or "auto" for the first GPU, if there is one.

    Raises:
        ConfigError: another name.
        DeviceError: the device doesn't exist here.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device={name!r} is not auto, cpu, cuda or cuda:N.") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device={name!r} is not auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device={name!r}, but this machine has {torch.cuda.device_count()} CUDA devices."
        )
    if device.type == "cuda":
        # CUDA graph capture and pinned memory use the current device, whatever device= says.
        device = torch.device("cuda", device.index or 0)
        torch.cuda.set_device(device)
    return device


def visible_gpus(device: str) -> list[str]:
    """List the GPUs of a device setting, as CUDA_VISIBLE_DEVICES names them; none for "cpu".

    A cluster assigns GPUs to a job through that variable, so "cuda:1" is its second entry.
    """
    if device == "cpu":
        return []
    import torch

    count = torch.cuda.device_count()
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = given.split(",")[:count] if given else [str(index) for index in range(count)]
    _, _, index = device.partition(":")
    return [names[int(index)]] if index else names


def free_device_bytes(device: torch.device) -> int:
    """Release the GPU memory that earlier units cached, and return the free memory of a device."""
    if device.type != "cuda":
        return available_host_bytes()
    import torch

    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


def reset_peaks(device: torch.device) -> None:
    """Start `machine.peak_host_mib` and `peak_device_mib` from the memory in use now."""
    reset_peak_host()
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def peak_device_mib(device: torch.device) -> float | None:
    """Return the most memory allocated on a GPU since `reset_peaks`; None on the processor."""
    if device.type != "cuda":
        return None
    import torch

    return torch.cuda.max_memory_allocated(device) / 2**20


def device_lost(error: BaseException) -> bool:
    """Tell if a GPU or its driver failed, so that every later call of this process fails too.

    An illegal access, a failed assertion, an ECC error or a device that fell off the bus stays with
    the process; running out of memory does not.
    """
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return False
    if type(error).__name__ == "AcceleratorError":  # since torch 2.8
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and text.startswith("CUDA error")


def memory_hint(error: BaseException) -> str:
    """Return advice to append to an error message if a device ran out of memory, else ""."""
    import torch

    if not isinstance(error, torch.OutOfMemoryError):
        return ""
    return " Lower kv.device_gib, or run fewer workers on this device."
