"""Lanes, which run work beside the main stream of a GPU, and moments, which time it.

On the CPU there is only one lane: the same calls run everything in order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch


class Lane:
    """A stream of work beside the main one.

    Lanes of one name share their stream, because torch reuses memory that a stream has freed only
    on that stream.

    Args:
        device: where the work runs.
        name: search, up, down or decode. The first two are short and others wait for them, so they
            have priority.
    """

    def __init__(self, device: torch.device, name: str) -> None:
        self._device = device
        self._stream = _stream(device, name) if device.type == "cuda" else None

    @contextmanager
    def entered(self, after: Moment | None = None) -> Iterator[None]:
        """Queue the work of a `with` block on this lane.

        Args:
            after: start once the main stream has reached this moment; by default, once it has
                finished everything queued so far.
        """
        if self._stream is None:
            yield
            return
        if after is None:
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
        else:
            after.hold(self._stream)
        with torch.cuda.stream(self._stream):
            yield

    def join(self) -> None:
        """Make the main stream wait for all work queued on this lane; the host does not wait."""
        if self._stream is not None:
            torch.cuda.current_stream(self._device).wait_stream(self._stream)

    def wait(self) -> None:
        """Block the host until all work queued on this lane is done."""
        if self._stream is not None:
            self._stream.synchronize()

    def borrow(self, tensor: torch.Tensor) -> None:
        """Keep a tensor of the main stream allocated until this lane is done with it."""
        if self._stream is not None:
            tensor.record_stream(self._stream)


@cache
def _stream(device: torch.device, name: str) -> torch.cuda.Stream:
    return torch.cuda.Stream(device, priority=-1 if name in ("search", "up") else 0)


class Moment:
    """A point in the work queued on the current stream; creating one never makes the host wait.

    Args:
        device: the device whose current stream is marked.
    """

    def __init__(self, device: torch.device) -> None:
        self._event: torch.cuda.Event | None = None
        self._time_s = time.perf_counter()
        if device.type == "cuda":
            self._event = torch.cuda.Event(enable_timing=True, blocking=True)
            self._event.record(torch.cuda.current_stream(device))

    def hold(self, stream: torch.cuda.Stream) -> None:
        """Make a stream wait for this moment."""
        if self._event is not None:
            stream.wait_event(self._event)

    def wait(self) -> None:
        """Block the host until this moment has been reached."""
        if self._event is not None:
            self._event.synchronize()

    def seconds_since(self, earlier: Moment) -> float:
        """Return the time since an earlier moment; waits until this one has been reached."""
        if self._event is None or earlier._event is None:
            return self._time_s - earlier._time_s
        self._event.synchronize()
        return earlier._event.elapsed_time(self._event) / 1000
