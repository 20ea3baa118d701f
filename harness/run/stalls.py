"""The end of a process whose unit runs and makes no progress."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from harness.core.events import Emit, Event, EventKind, StopRequested


@contextmanager
def ending_if_stalled(
    limit_s: float | None, log: IO[Any], emit: Emit, stop_requested: StopRequested
) -> Iterator[tuple[Emit, StopRequested]]:
    """End this process if work makes no progress for some seconds.

    Native code that holds the interpreter's lock doesn't prevent it.

    Args:
        limit_s: seconds; None for no limit.
        log: receives the traceback of every thread; a file with a descriptor.
        emit: receiver of the events of the work.
        stop_requested: whether it is to stop.

    Returns:
        The two functions for the work. A call of either is progress: who asks goes on, or waits for
        another process. Notes are none, as one may say that nothing happens.
    """
    if limit_s is None:
        yield emit, stop_requested
        return

    def begin() -> None:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=log)

    def emit_in_time(event: Event) -> None:
        if event.kind is not EventKind.note:
            begin()
        emit(event)

    def asked_in_time() -> bool:
        begin()
        return stop_requested()

    begin()
    try:
        yield emit_in_time, asked_in_time
    finally:
        faulthandler.cancel_dump_traceback_later()
