"""Pinned host memory of exact size, kept by the process for the next rollout.

torch's allocator rounds pinned memory up to powers of two, which would nearly double the slabs of a
1.3B model. Pinning takes time (of one such slab 250 ms in pages of 4 KiB, 26 ms in huge ones), so a
thread takes buffers ahead of need, and they return to a pool instead of to the system.
"""

from __future__ import annotations

import contextlib
import mmap
import threading

import torch

from harness.core.errors import DeviceError


class PinnedPool:
    """Buffers of one size. Without CUDA they are ordinary memory."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_bytes = 0
        self._idle: list[torch.Tensor] = []
        self._coming = 0  # buffers that the thread has yet to take
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def take_ahead(self, num_bytes: int, count: int) -> None:
        """Start taking buffers in a thread, until `count` are ready.

        If the system refuses, the `take` that finds no buffer says so.
        """
        self._keep_only(num_bytes)
        with self._changed:
            self._error = None
            self._coming = max(self._coming, count - len(self._idle))
            if self._coming > 0 and self._thread is None:
                self._thread = threading.Thread(
                    target=self._take_all, args=(_device_index(),), name="pinning", daemon=True
                )
                self._thread.start()

    def take(self, num_bytes: int) -> torch.Tensor:
        """Return a buffer; waits for the thread if it is about to have one.

        Raises:
            DeviceError: the system refuses to pin that much.
        """
        self._keep_only(num_bytes)
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._coming == 0)
            if self._idle:
                return self._idle.pop()
            if self._error:
                raise self._error
        return _pinned(num_bytes)

    def give_back(self, buffers: list[torch.Tensor]) -> None:
        """Return unused buffers to the pool, for the next rollout."""
        with self._changed:
            self._idle += [buffer for buffer in buffers if buffer.numel() == self._num_bytes]
        for buffer in buffers:
            if buffer.numel() != self._num_bytes:
                _unpin(buffer)

    @property
    def idle_bytes(self) -> int:
        """Memory of the buffers in the pool."""
        return sum(buffer.numel() for buffer in self._idle)

    def _keep_only(self, num_bytes: int) -> None:
        """Release buffers of another size, which have the slab size of another backbone."""
        if num_bytes == self._num_bytes:
            return
        with self._changed:
            self._coming, thread = 0, self._thread
        if thread is not None:
            thread.join()
        for buffer in self._idle:
            _unpin(buffer)
        self._idle = []
        self._num_bytes = num_bytes

    def _take_all(self, device_index: int | None) -> None:
        """Take what is to come: the body of the thread."""
        try:
            if device_index is not None:
                torch.cuda.set_device(device_index)
            while True:
                with self._changed:
                    if self._coming <= 0:
                        self._thread = None
                        return
                buffer = _pinned(self._num_bytes)
                with self._changed:
                    self._idle.append(buffer)
                    self._coming = max(0, self._coming - 1)  # 0 if they are no longer wanted
                    self._changed.notify_all()
        except Exception as error:
            with self._changed:
                self._error, self._coming, self._thread = error, 0, None
                self._changed.notify_all()


POOL = PinnedPool()


def _device_index() -> int | None:
    """Return the GPU of this thread, where there is one."""
    return torch.cuda.current_device() if torch.cuda.is_available() else None


def _pinned(num_bytes: int) -> torch.Tensor:
    padded = -(-num_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
    try:
        mapped = mmap.mmap(-1, padded, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise _refusal(num_bytes, str(error)) from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without huge pages
            mapped.madvise(mmap.MADV_HUGEPAGE)
    buffer = torch.frombuffer(mapped, dtype=torch.uint8, count=num_bytes)
    if torch.cuda.is_available():
        code = int(torch.cuda.cudart().cudaHostRegister(buffer.data_ptr(), num_bytes, 0))
        if code != 0:
            # CUDA keeps the code until the next launch, which would report it as its own.
            with contextlib.suppress(RuntimeError):
                torch.zeros(1, device="cuda")
            raise _refusal(num_bytes, f"CUDA error {code}")
    return buffer


def _unpin(buffer: torch.Tensor) -> None:
    if torch.cuda.is_available():
        torch.cuda.cudart().cudaHostUnregister(buffer.data_ptr())


def _refusal(num_bytes: int, reason: str) -> DeviceError:
    return DeviceError(
        f"The system refuses to pin another {num_bytes / 2**20:.0f} MiB of host memory "
        f"({reason}); lower kv.host_gib."
    )
