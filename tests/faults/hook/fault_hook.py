"""Faults at the n-th change of a file: this process is killed or stopped, or the disk refuses.

Every opening for writing, rename, removal and new folder below the working folder counts. Between
two of them only the content of files under temporary names changes, so these are the moments that
matter, and a seed finds the same one again on any machine.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "os.link")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
REFUSALS = {"full disk": errno.ENOSPC, "read-only folder": errno.EROFS}
SIGNALS = {
    "SIGKILL": (signal.SIGKILL,),
    "SIGTERM": (signal.SIGTERM,),
    "SIGINT": (signal.SIGINT,),
    "SIGINT twice": (signal.SIGINT, signal.SIGINT),
}


def install(folder: str, on_change: Callable[[int, str], None]) -> None:
    """Call `on_change` with number and path before each change below `folder`."""
    made, lock = 0, threading.Lock()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal made
        if event == "open":
            mode, flags = arguments[1], arguments[2]
            writing = isinstance(flags, int) and flags & _WRITING
            if not writing and not (isinstance(mode, str) and set(mode) & set("wax+")):
                return
        elif event not in _CHANGES:
            return
        path = arguments[0]
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str):
            return
        if not os.path.abspath(path).startswith(folder + os.sep):  # noqa: PTH100
            return
        with lock:
            made += 1
            number = made
        on_change(number, path)

    sys.addaudithook(hook)


def fail_at(fault: str, number: int, pause: int, struck: Path) -> Callable[[int, str], None]:
    """Return the fault that happens at change `number`, and then makes the file `struck`.

    A second signal follows `pause` changes later; only with it the fault has happened.
    """

    def on_change(made: int, path: str) -> None:
        if fault in REFUSALS:
            if made >= number:
                struck.touch()
                raise OSError(REFUSALS[fault], os.strerror(REFUSALS[fault]), path)
            return
        signals = SIGNALS[fault]
        for place, signum in enumerate(signals):
            if made == number + place * pause:
                if place == len(signals) - 1:
                    struck.touch()
                os.kill(os.getpid(), signum)

    return on_change


def install_from_environment() -> None:
    """Install the fault that LONGTAKE_TEST_FAULT describes, in the first worker that gets there."""
    fault, number, folder, struck = os.environ["LONGTAKE_TEST_FAULT"].split("|")
    if "worker" not in sys.orig_argv:
        return
    inner = fail_at(fault, int(number), 1, Path(struck))

    def on_change(made: int, path: str) -> None:
        if made == int(number):
            try:
                Path(struck).touch(exist_ok=False)
            except FileExistsError:
                return
            inner(made, path)

    install(folder, on_change)
