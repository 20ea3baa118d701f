"""Pinned host memory of exact size, kept by the process for the next rollout.

torch's allocator rounds pinned memory up to powers of two, which would nearly double the slabs of a
1.3B model. Pinning takes time, so buffers return to a pool instead of to the system.
"""

from __future__ import annotations

import mmap

import torch

from harness.core.errors import DeviceError

_idle: list[torch.Tensor] = []


def take(num_bytes: int) -> torch.Tensor:
    """Return a pinned buffer.

    Raises:
        DeviceError: the system refuses to pin that much.
    """
    if _idle and _idle[-1].numel() != num_bytes:
        _release()  # they have the slab size of another backbone
    if _idle:
        return _idle.pop()
    padded = -(-num_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
    buffer = torch.frombuffer(mmap.mmap(-1, padded), dtype=torch.uint8, count=num_bytes)
    code = int(torch.cuda.cudart().cudaHostRegister(buffer.data_ptr(), num_bytes, 0))
    if code != 0:
        raise DeviceError(
            f"The system refuses to pin another {num_bytes / 2**20:.0f} MiB of host memory "
            f"(CUDA error {code}); lower kv.host_gib."
        )
    return buffer


def give_back(buffers: list[torch.Tensor]) -> None:
    """Return unused buffers to the pool, for the next rollout."""
    _idle.extend(buffers)


def idle_bytes() -> int:
    """Return the memory of the buffers in the pool."""
    return sum(buffer.numel() for buffer in _idle)


def _release() -> None:
    for buffer in _idle:
        torch.cuda.cudart().cudaHostUnregister(buffer.data_ptr())
    _idle.clear()
