"""Progress and interruption of long calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness.core.events import Interrupted, Listener, Silent, StopRequested
from harness.core.exits import exits_raised


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
    other threads nothing is changed. A plug-in that calls `os._exit`, even one that is imported
    within and binds it, raises SystemExit.

    Raises:
        KeyboardInterrupt: the work was stopped.
    """
    with exits_raised(), _stopping() as stop_requested:
        yield stop_requested


@contextmanager
def _stopping() -> Iterator[StopRequested]:
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
