"""Compute devices: choice of the device of a process, and its memory."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError, DeviceError, DeviceLost
from harness.core.machine import available_host_bytes, device_workers, reset_peak_host

if TYPE_CHECKING:
    import torch

# What the driver of an NVIDIA GPU makes.
_GPUS, _DRIVER = Path("/proc/driver/nvidia/gpus"), Path("/sys/module/nvidia/version")
_CONTEXT_BYTES = 600 * 2**20  # what CUDA takes for each process
_STICKY_CUBLAS = ("EXECUTION_FAILED", "INTERNAL_ERROR")
_LOST = "The GPU or its driver failed"


def pick_device(name: str) -> torch.device:
    """Return the torch device for a setting, and make it the current one.

    Args:
        name: "cpu", "cuda", "cuda:N", or "auto" for the first GPU, if there is one.

    Raises:
        ConfigError: another name.
        DeviceError: the device doesn't exist here, or "auto" finds a GPU that a torch built for
            CUDA cannot use. With a torch for CPUs "auto" is the CPU.
    """
    import torch

    if name == "auto":
        refuse_unseen_gpu()
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device={name!r} is not auto, cpu, cuda or cuda:N.") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device={name!r} is not auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device={name!r}, but this machine has {torch.cuda.device_count()} CUDA devices. "
            f"{unseen_gpu()}".rstrip()
        )
    if device.type == "cuda":
        # CUDA graph capture and pinned memory use the current device, whatever device= says.
        device = torch.device("cuda", device.index or 0)
        torch.cuda.set_device(device)
    return device


def refuse_unseen_gpu() -> None:
    """Refuse to compute on the CPU where a GPU is that this torch was built for.

    Raises:
        DeviceError: torch is built for CUDA and cannot use the GPU: its driver is too old, or
            something is broken. The message has the versions of both.
    """
    if sentence := unseen_gpu():
        import torch

        if torch.version.cuda is not None:
            raise DeviceError(
                f"device=auto: {sentence} Install a torch that fits the driver, or set device=cpu."
            )


def unseen_gpu() -> str:
    """Return a sentence about a GPU of this machine that torch cannot use; empty if there is none.

    A GPU that CUDA_VISIBLE_DEVICES hides was not meant to be used.
    """
    if not _GPUS.is_dir() or not any(_GPUS.iterdir()):
        return ""
    import torch

    if torch.cuda.is_available() or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return ""
    driver = driver_version() or "unknown"
    cuda = torch.version.cuda
    built = f"built for CUDA {cuda}" if cuda else "a CPU build"
    return (
        f"This machine has a GPU (driver {driver}) that torch {torch.__version__}, {built}, cannot "
        "use."
    )


def driver_version() -> str | None:
    """Return the version of the driver of this machine's NVIDIA GPUs; None if it is not known."""
    return _DRIVER.read_text().strip() if _DRIVER.is_file() else None


def visible_gpus(device: str) -> list[str]:
    """List the GPUs of a device setting, as CUDA_VISIBLE_DEVICES names them; none for "cpu".

    A cluster assigns GPUs to a job through that variable, so "cuda:1" is its second entry.

    Raises:
        DeviceError: see `pick_device`.
    """
    if device == "cpu":
        return []
    import torch

    if device == "auto":
        refuse_unseen_gpu()
    count = torch.cuda.device_count()
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = given.split(",") if given else [str(index) for index in range(count)]
    if count and names[0].startswith("MIG-"):
        count = len(names)  # a process sees one slice of a GPU only; each can have another
    names = names[:count]
    _, _, index = device.partition(":")
    if not index:
        return names
    if not index.isdecimal() or int(index) >= count:
        pick_device(device)  # says what is wrong with it
    return [names[int(index)]]


def free_device_bytes(device: torch.device) -> int:
    """Release the GPU memory that earlier units cached, and return the free memory of a device.

    Of workers that share a GPU each has an equal part of the whole, so that the one which starts
    first does not take what the others will need.
    """
    if device.type != "cuda":
        return available_host_bytes()
    import torch

    gc.collect()
    torch.cuda.empty_cache()
    free, whole = torch.cuda.mem_get_info(device)
    if (workers := device_workers()) == 1:
        return free
    return min(free, whole // workers - _CONTEXT_BYTES - torch.cuda.memory_reserved(device))


def reset_peaks(device: torch.device) -> None:
    """Start `machine.peak_host_mib` and `peak_device_mib` from the memory in use now."""
    reset_peak_host()
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def peak_device_mib(device: torch.device) -> float | None:
    """Return the most memory allocated on a GPU since `reset_peaks`; None on the CPU."""
    if device.type != "cuda":
        return None
    import torch

    return torch.cuda.max_memory_allocated(device) / 2**20


def device_lost(error: BaseException | None) -> DeviceLost | None:
    """Return the loss of a device behind an error; None if it is about something else.

    An illegal access, a failed assertion, an ECC error or a device that fell off the bus stays with
    the process, so that nothing it computes later can be right; running out of memory does not.
    """
    while error is not None:
        if isinstance(error, DeviceLost):
            return error
        text = str(error)
        # AcceleratorError is a RuntimeError since torch 2.8; by name, as torch may not be imported.
        sticky = type(error).__name__ == "AcceleratorError" or text.startswith("CUDA error")
        if "CUBLAS_STATUS_" in text:  # of a refused call nothing stays
            sticky = any(f"CUBLAS_STATUS_{status}" in text for status in _STICKY_CUBLAS)
        if sticky and isinstance(error, RuntimeError) and not ran_out_of_memory(error):
            line = text.splitlines()[0] if text else type(error).__name__
            return DeviceLost(f"{_LOST}: {line}. Finished work is kept.")
        error = error.__cause__ if error.__cause__ is not error else None
    return None


def ran_out_of_memory(error: BaseException) -> bool:
    """Tell if memory of a device or of the host did not suffice."""
    texts = ("out of memory", "can't allocate memory", "_STATUS_ALLOC_FAILED")  # cuBLAS and cuDNN
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
    )


def is_device_lost_text(text: str) -> bool:
    """Return whether a message is that of a `device_lost`, as another process printed it."""
    return text.startswith(_LOST)


def memory_hint(error: BaseException) -> str:
    """Return advice to append to an error message if a device ran out of memory, else ""."""
    import torch

    if not isinstance(error, torch.OutOfMemoryError):
        return ""
    return " Lower kv.device_gib, or run fewer workers on this device."
