"""Plug-ins that end the process, turned into errors."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Never


@contextmanager
def exits_raised() -> Iterator[None]:
    """Turn `os._exit` of this process into SystemExit; forked processes keep theirs.

    Without it a plug-in could end a command with status 0 and nothing made. Whatever is imported
    within the block binds the replacement as well, also by `from os import _exit`.
    """
    leave, owner = os._exit, (os.getpid(), threading.get_ident())

    def leave_or_raise(status: int) -> Never:
        if os.getpid() != owner[0]:  # multiprocessing ends its forked processes this way
            leave(status)
        if threading.get_ident() != owner[1]:  # such as a watchdog; an error would end it alone
            leave(status or 1)
        raise SystemExit(status)

    os._exit = leave_or_raise
    try:
        yield
    finally:
        os._exit = leave


def place_of(error: BaseException) -> str:
    """Return file, line and function where an error was raised, or `os._exit` was called."""
    frames = traceback.extract_tb(error.__traceback__)
    place = [frame for frame in frames if frame.filename != __file__][-1]
    return f"{Path(place.filename).name}:{place.lineno} in {place.name}"
