"""Claims of units, by which several processes on one sweep share its work.

A claim is a lock of the operating system on a file, so it ends with its process, however that ends.
Its holder also writes the file again and again: who it is, and when its work last got further. One
that stops doing so, because its process is stopped or its disk hangs, loses the claim to whoever
waits for it: the file is replaced, which the holder sees before it writes. A process that runs
keeps its claim, even if its work never ends, and a note says that it gets no further. Where a file
system has no locks everybody works, and all write the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from harness.core.human import duration_text

T = TypeVar("T")
# Seconds without a heartbeat after which a claim is taken over. Clients of network file systems
# may see the time of a file a minute late.
LEASE_S = 300.0
# Seconds without progress after which a note names the work, and again after each doubling.
QUIET_S = 600.0
_SIGNS_PER_LEASE = 10
_LOOK_EVERY_S = 0.5
_LONGEST_LOOK_S = 10.0  # without a look for longer, this process may have been stopped itself
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # answers of file systems without locks


class TakenOver(Exception):
    """Another process has taken over the claim of this one, whose heartbeat stopped."""


@dataclass
class Claim:
    """A claim that this process holds.

    Attributes:
        path: its file.
        descriptor: the open file; None where the file system has no locks.
    """

    path: Path
    descriptor: int | None
    _moved_s: float = field(default_factory=time.monotonic)

    @property
    def quiet_s(self) -> float:
        """Return the seconds since its work last got further."""
        return time.monotonic() - self._moved_s

    def moved(self) -> None:
        """Take note that its work has got further."""
        self._moved_s = time.monotonic()

    def give_sign(self) -> None:
        """Write who holds it and when its work last got further.

        Raises:
            OSError: that can't be written.
        """
        if self.descriptor is None:
            return
        moved = f"{time.time() - self.quiet_s:.0f}"
        text = f"{socket.gethostname()}, process {os.getpid()}\n{moved}\n"
        os.pwrite(self.descriptor, text.encode(), 0)
        os.utime(self.descriptor)  # on NFS others see what is written only later

    @property
    def is_lost(self) -> bool:
        """Return whether another process has taken it over; False if the disk can't tell."""
        try:
            self.check()
        except TakenOver:
            return True
        except OSError:  # the work itself says which disk failed
            return False
        return False

    def check(self) -> None:
        """Refuse to go on with the work of another process.

        Raises:
            TakenOver: the claim is lost.
            OSError: the disk can't tell.
        """
        if self.descriptor is not None and not _is_file(self.descriptor, self.path):
            raise TakenOver

    def release(self) -> None:
        """Let others have it. A file that can't be removed stays, and `clear` removes it."""
        try:
            with contextlib.suppress(TakenOver, OSError):
                self.check()
                self.path.unlink(missing_ok=True)
        finally:
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
            is_claim = _is_file(descriptor, path)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _NO_LOCKS:
                raise OSError(error.errno, error.strerror, str(path)) from error
            return Claim(path, None)
        if is_claim:
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


def clear(folder: Path) -> set[str]:
    """Remove claims that no process holds, and the empty folder.

    Those of other machines stay until their lease has ended: where locks end at the machine, their
    processes may be at work.

    Returns:
        The names of the claims that processes left which were killed, or ended by their work, and
        of those on other machines that may have been.
    """
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return set()
    left = set()
    for path in paths:
        if not _may_be_held_elsewhere(path):
            claim = take(path)
            if claim is None:
                continue
            claim.release()
        left.add(path.name)
    with contextlib.suppress(OSError):  # not empty
        folder.rmdir()
    return left


def holder(path: Path) -> str:
    """Return the machine and the process that hold a claim."""
    try:
        return path.read_text().partition("\n")[0] or "another process"
    except OSError:
        return "another process"


def in_turn(
    items: Iterable[T],
    path_of: Callable[[T], Path],
    on_note: Callable[[T, str], None],
    stop_requested: Callable[[], bool],
    wait: bool = True,
) -> Iterator[tuple[T, Claim]]:
    """Yield items one by one; see `groups_in_turn`."""
    groups = ([item] for item in items)
    with closing(groups_in_turn(groups, path_of, on_note, stop_requested, wait)) as claimed:
        for group in claimed:
            yield from group


def groups_in_turn(
    groups: Iterable[Sequence[T]],
    path_of: Callable[[T], Path],
    on_note: Callable[[T, str], None],
    stop_requested: Callable[[], bool],
    wait: bool = True,
) -> Generator[list[tuple[T, Claim]], None, None]:
    """Yield groups of items, each while this process holds their claims.

    Items that others hold are left out of their group and come last, each by itself. So does an
    item whose claim was taken over meanwhile, once more.

    Args:
        groups: the work.
        path_of: returns the file of an item's claim.
        on_note: called with an item and a text: who is waited for, or has lost its claim; from
            another thread, that this process gets no further with the item.
        stop_requested: ends the waiting.
        wait: False yields what others hold beside them, as they may hang for good.
    """
    later: deque[tuple[T, _Lease]] = deque()
    for group in groups:
        with ExitStack() as stack:
            held = []
            for item in group:
                path = path_of(item)
                if claim := take(path):
                    stack.enter_context(_held(item, claim, later, on_note))
                    held.append((item, claim))
                else:
                    later.append((item, _Lease(path)))
            if held:
                yield held
    while later:
        item, lease = later.popleft()
        claim, told = take(lease.path), False
        if not claim and not wait:
            yield [(item, Claim(lease.path, None))]
            continue
        while not claim:
            if stop_requested():
                return
            if not told:
                on_note(item, f"{holder(lease.path)} is working on it; waiting for the result")
                told = True
            if lease.has_ended():
                text = f"{holder(lease.path)} has not responded for {LEASE_S:g} s; taking over"
                on_note(item, text)
                lease.end()
            else:
                time.sleep(_LOOK_EVERY_S)
            claim = take(lease.path)
        with _held(item, claim, later, on_note):
            yield [(item, claim)]


class _Lease:
    """The time that the claim of another process has left, by the clock of this one.

    Args:
        path: file of the claim.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sign = self._last_sign()
        self._since_s = self._looked_s = time.monotonic()

    def has_ended(self) -> bool:
        """Return whether the heartbeat of its holder is too old.

        Only time in which this process looks again and again counts. What stopped it, such as
        Ctrl-Z, may have stopped the holder too, which now goes on.
        """
        sign, now_s = self._last_sign(), time.monotonic()
        if sign != self._sign or now_s - self._looked_s > _LONGEST_LOOK_S:
            self._sign, self._since_s = sign, now_s
        self._looked_s = now_s
        return sign is not None and now_s - self._since_s > LEASE_S

    def end(self) -> None:
        """Remove the file, unless another process has the claim now or its holder responds."""
        if self._last_sign() == self._sign:
            self.path.unlink(missing_ok=True)

    def _last_sign(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


@contextmanager
def _held(
    item: T,
    claim: Claim,
    later: deque[tuple[T, _Lease]],
    on_note: Callable[[T, str], None],
) -> Iterator[None]:
    """Keep a claim alive and release it in the end; put its item off if the claim got lost."""
    try:
        with _signs_of_life(claim, lambda text: on_note(item, text)):
            yield
        if claim.is_lost:
            later.append((item, _Lease(claim.path)))
    finally:
        claim.release()


@contextmanager
def _signs_of_life(claim: Claim, on_note: Callable[[str], None]) -> Iterator[None]:
    """Write the file of a claim again and again, whatever this process is doing."""
    ended = threading.Event()

    def work() -> None:
        noted_at_s = QUIET_S
        while not ended.wait(LEASE_S / _SIGNS_PER_LEASE):
            with contextlib.suppress(OSError):  # the work itself says which disk failed
                claim.give_sign()
            quiet_s = claim.quiet_s
            if quiet_s < QUIET_S:
                noted_at_s = QUIET_S
            elif quiet_s >= noted_at_s:
                on_note(f"no progress for {duration_text(quiet_s)}")
                noted_at_s = 2 * quiet_s

    thread = threading.Thread(target=work, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _note_holder(claim: Claim, descriptor: int) -> None:
    """Write who holds a claim into its file; give it up if that can't be written."""
    try:
        os.truncate(descriptor, 0)
        claim.give_sign()
        os.fsync(descriptor)  # on NFS other machines see it only then
    except OSError as error:
        claim.release()
        raise OSError(error.errno, error.strerror, str(claim.path)) from error


def _may_be_held_elsewhere(path: Path) -> bool:
    """Return whether a process on another machine has given a sign of life within a lease."""
    try:
        host, separator, _ = path.read_text(errors="replace").partition(",")
        age_s = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return False
    return bool(separator) and host != socket.gethostname() and age_s < LEASE_S


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESTALE):
            raise
        return False
