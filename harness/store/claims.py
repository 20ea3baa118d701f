"""Claims of units, by which several processes on one sweep share its work.

A claim is a lock of the operating system on a file, so it ends with its process, however that ends.
Where a file system has no locks everybody works, and all write the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_LOOK_EVERY_S = 0.5
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # answers of file systems without locks


@dataclass(frozen=True)
class Claim:
    """A claim that this process holds.

    Attributes:
        path: its file.
        descriptor: the open file; None where the file system has no locks.
    """

    path: Path
    descriptor: int | None

    def release(self) -> None:
        """Let others have it."""
        self.path.unlink(missing_ok=True)
        if self.descriptor is not None:
            os.close(self.descriptor)


def take(path: Path) -> Claim | None:
    """Take a claim; None if another process, or another part of this one, holds it.

    Raises:
        OSError: the disk is full or read-only, or the file may not be written.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the folder was empty and has just been removed
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _NO_LOCKS:
                raise OSError(error.errno, error.strerror, str(path)) from error
            return Claim(path, None)
        if _is_file(descriptor, path):
            claim = Claim(path, descriptor)
            _note_holder(claim, descriptor)
            return claim
        # The holder removed the file between the two calls: what was locked is not a claim.
        os.close(descriptor)


def is_held(path: Path) -> bool | None:
    """Return whether a process holds a claim; None where the file system has no locks.

    Raises:
        FileNotFoundError: there is no such claim.
    """
    descriptor = os.open(path, os.O_RDONLY)  # a colleague may only read the store
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    finally:
        os.close(descriptor)
    return False


def clear(folder: Path) -> None:
    """Remove claims that no process holds, as killed ones leave them, and the empty folder."""
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return
    for path in paths:
        if claim := take(path):
            claim.release()
    with contextlib.suppress(OSError):  # not empty
        folder.rmdir()


def holder(path: Path) -> str:
    """Return the machine and the process that hold a claim."""
    try:
        return path.read_text() or "another process"
    except OSError:
        return "another process"


def in_turn(
    items: Iterable[T],
    path_of: Callable[[T], Path],
    on_wait: Callable[[T, str], None],
    stop_requested: Callable[[], bool],
    wait: bool = True,
) -> Iterator[T]:
    """Yield items, each while this process holds its claim; those of others come last.

    Args:
        items: the work.
        path_of: returns the file of an item's claim.
        on_wait: called with an item and its holder before waiting for it.
        stop_requested: ends the waiting.
        wait: False yields what others hold without their claims, as they may hang for good.
    """
    later = []
    for item in items:
        if claim := take(path_of(item)):
            try:
                yield item
            finally:
                claim.release()
        else:
            later.append(item)
    for item in later:
        path, told = path_of(item), False
        while (waited := take(path)) is None and wait:
            if stop_requested():
                return
            if not told:
                on_wait(item, holder(path))
                told = True
            time.sleep(_LOOK_EVERY_S)
        try:
            yield item
        finally:
            if waited is not None:
                waited.release()


def _note_holder(claim: Claim, descriptor: int) -> None:
    """Write who holds a claim into its file; give it up if that can't be written."""
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{socket.gethostname()}, process {os.getpid()}".encode())
    except OSError as error:
        claim.release()
        raise OSError(error.errno, error.strerror, str(claim.path)) from error


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
