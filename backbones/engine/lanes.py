"""Lanes: work that runs beside the main stream of a GPU, and what a moment took.

On the processor there is one lane only and everything happens in order; the same calls then do
nothing but run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch


class Lane:
    """A stream of work beside the main one.

    Lanes of one name share their stream: memory that a stream freed can only be used by it again.

    Args:
        device: where the work runs.
        name: search, up, down or decode. The first two are short and waited for, so they go first.
    """

    def __init__(self, device: torch.device, name: str) -> None:
        self._device = device
        self._stream = _stream(device, name) if device.type == "cuda" else None

    @contextmanager
    def entered(self, after: Moment | None = None) -> Iterator[None]:
        """Queue what the block does on this lane.

        Args:
            after: begin once the main stream has come to this moment; by default, to its end.
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
        """What the main stream does next waits for all work queued on this lane."""
        if self._stream is not None:
            torch.cuda.current_stream(self._device).wait_stream(self._stream)

    def wait(self) -> None:
        """The host waits for all work queued on this lane."""
        if self._stream is not None:
            self._stream.synchronize()

    def borrow(self, tensor: torch.Tensor) -> None:
        """Keep the memory of a tensor of the main stream until this lane is done with it."""
        if self._stream is not None:
            tensor.record_stream(self._stream)


@cache
def _stream(device: torch.device, name: str) -> torch.cuda.Stream:
    return torch.cuda.Stream(device, priority=-1 if name in ("search", "up") else 0)


class Moment:
    """A point in the work queued on the current stream; taking one never makes the host wait.

    Args:
        device: whose current stream.
    """

    def __init__(self, device: torch.device) -> None:
        self._event: torch.cuda.Event | None = None
        self._time_s = time.perf_counter()
        if device.type == "cuda":
            self._event = torch.cuda.Event(enable_timing=True)
            self._event.record(torch.cuda.current_stream(device))

    def hold(self, stream: torch.cuda.Stream) -> None:
        """What `stream` does next waits for this moment."""
        if self._event is not None:
            stream.wait_event(self._event)

    def seconds_since(self, earlier: Moment) -> float:
        """Time between two moments; waits until the later one has come."""
        if self._event is None or earlier._event is None:
            return self._time_s - earlier._time_s
        self._event.synchronize()
        return earlier._event.elapsed_time(self._event) / 1000
