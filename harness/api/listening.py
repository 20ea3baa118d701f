"""Progress and interruption of long calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness.core.events import Interrupted, Listener, Silent, StopRequested


def listener_of(progress: bool | Listener) -> Listener:
    """Return the listener that the argument `progress` of a function asks for."""
    if progress is False:
        return Silent()
    if progress is True:
        from harness.cli.terminal import Terminal

        return Terminal()
    return progress


@contextmanager
def interruptible() -> Iterator[StopRequested]:
    """Let Ctrl-C or SIGTERM stop the work within at its next block or clip, with progress saved.

    A second Ctrl-C stops it at once; `cancel` sends SIGTERM. Signals reach the main thread only; in
    other threads nothing is changed.

    Raises:
        KeyboardInterrupt: the work was stopped.
    """
    from harness.run.worker import stopping_on_signals

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    stopped = "progress is saved; repeat the call to continue"
    with stopping_on_signals() as stop_requested:
        try:
            yield stop_requested
        except Interrupted:
            raise KeyboardInterrupt(stopped) from None
        if stop_requested():
            raise KeyboardInterrupt(stopped)
