"""The guard of a command: a parent process that repeats it without what ended the child.

Native code that crashes and a system that runs out of memory end the process that works. So the
command line forks before it imports anything with threads: the child is the command, and notes in a
file which items it is at; the parent, which holds nothing but the interpreter, waits. If the child
ends at work, the next one learns which items have failed and why, and goes on with the others. Both
are in the process group of the terminal, so that Ctrl-C reaches both.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO

from harness.core.endings import how_it_ended

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h
_FROM_KERNEL = 0x80  # SI_KERNEL of asm-generic/siginfo.h: a key was pressed in the terminal
_WAITED_FOR = {signal.SIGCHLD, signal.SIGINT, signal.SIGTERM}
# Signals of a user or a terminal, after which nothing is repeated.
_ASKED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
_INTERRUPTED = 128 + signal.SIGINT
# What a second Ctrl-C leaves a command to remove its temporary files.
_GRACE_S = 5.0
_SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it


@dataclass(frozen=True)
class Failure:
    """Failure of an item of work in an earlier process of this command.

    Attributes:
        store: the run store it belongs to.
        item: its name in events.
        text: the reason.
        log: what the process left behind, if the failure is neither recorded nor said yet.
    """

    store: str
    item: str
    text: str
    log: str | None = None


@dataclass
class Guarded:
    """A process with a guard, as itself sees it.

    Attributes:
        continues: whether an earlier process of the same command was ended at work.
        failures: what failed in those; of several of one item the last one counts.
        in_step: stores and items that were in progress together when one of those was ended.
        log: file that is kept if this process ends at work, for tracebacks of native errors.
    """

    continues: bool
    failures: Sequence[Failure]
    in_step: Sequence[tuple[str, str]]
    log: IO[bytes]
    _notes: IO[bytes]
    _end: int = field(default=0)
    _at: bytes = field(default=b"")

    @contextmanager
    def at_work(self, store: str, items: Sequence[str]) -> Iterator[None]:
        """Tell the guard that an end of this process within the block is not the command's own.

        Args:
            store: the run store it works on.
            items: those to blame, until `blame` names others.
        """
        self.blame(store, items)
        try:
            yield
        finally:
            self._write(at=b"")

    def blame(self, store: str, items: Sequence[str], in_step: Sequence[str] = ()) -> None:
        """Note which items of a store have failed if this process ends now.

        Which of several `in_step` is to blame will not be known.
        """
        self._write(at=_line({"store": store, "items": list(items), "in_step": list(in_step)}))

    def note(self, failure: Failure) -> None:
        """Note a failure that is recorded and does not end this process."""
        self._write(_line({"failure": asdict(failure)}), self._at)

    def _write(self, failure: bytes = b"", at: bytes = b"") -> None:
        """Add a failure; replace what this process is at."""
        os.pwrite(self._notes.fileno(), failure + at, self._end)
        self._end, self._at = self._end + len(failure), at
        os.ftruncate(self._notes.fileno(), self._end + len(at))


def _line(content: Mapping[str, object]) -> bytes:
    return json.dumps(content).encode() + b"\n"


_this: Guarded | None = None


def guarded() -> Guarded | None:
    """Return what this process may tell its guard; None without one."""
    return _this


def continues() -> bool:
    """Return whether this process goes on where another one of the same command was ended."""
    return _this is not None and _this.continues


def can_guard() -> bool:
    """Return whether a command can have a guard: on Linux, without a debugger or profiler."""
    monitoring = getattr(sys, "monitoring", None)  # since Python 3.12
    tools = map(monitoring.get_tool, range(6)) if monitoring else ()
    is_watched = bool(sys.gettrace() or sys.getprofile() or any(tools))
    return sys.platform == "linux" and not is_watched


def run_guarded(command: Callable[[], int]) -> int:
    """Run a command in a child process, again and again while it ends at work.

    Returns:
        The exit code of the last child, in it and in the parent. If a signal ended it elsewhere,
        the parent ends by the same one.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
    failures: list[Failure] = []
    in_step: list[tuple[str, str]] = []
    continues_one = False
    while True:
        with tempfile.TemporaryFile() as notes, tempfile.TemporaryFile() as log:
            parent, child = os.getpid(), os.fork()
            if child == 0:
                _end_with(parent)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                return _run_child(command, Guarded(continues_one, failures, in_step, log, notes))
            code, asked = _wait_for(child)
            at = _read(notes, failures)
            log.seek(0)
            printed = log.read().decode(errors="replace")
        if at is None or asked or -code in _ASKED:
            return _ended_by(-code) if code < 0 else code
        ended = how_it_ended(code, printed)
        store, items, suspects = at
        continues_one = True
        in_step += [(store, item) for item in suspects]
        failures += [Failure(store, item, f"its process {ended}", printed) for item in items]
        if sys.stdout.isatty():
            print(end=_SHOW_CURSOR, flush=True)
        said = f"The process of this command {ended}; a new one continues."
        print(said, file=sys.stderr, flush=True)


def _run_child(command: Callable[[], int], this: Guarded) -> int:
    global _this
    _this = this
    faulthandler.enable(this.log)
    return command()


def _end_with(parent: int) -> None:
    """End this process as soon as its parent has ended."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _wait_for(child: int) -> tuple[int, bool]:
    """Wait for a child; pass on what this process alone was sent.

    A second Ctrl-C ends it even if it hangs in native code.

    Returns:
        Its exit code, negative for a signal, and whether it was asked to stop.
    """
    interrupts, asked = 0, False
    while True:
        timeout_s = _GRACE_S if interrupts > 1 else 3600.0
        found = signal.sigtimedwait(_WAITED_FOR, timeout_s)
        if found is None and interrupts > 1:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            print("interrupted", file=sys.stderr)
            return _INTERRUPTED, True
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), asked
        if found is None or found.si_signo == signal.SIGCHLD:
            continue
        asked = True
        interrupts += found.si_signo == signal.SIGINT
        if found.si_code != _FROM_KERNEL:
            os.kill(child, found.si_signo)


def _read(notes: IO[bytes], failures: list[Failure]) -> tuple[str, list[str], list[str]] | None:
    """Add the failures that a child noted.

    Returns:
        The store, the items to blame and those in step; None without work.
    """
    notes.seek(0)
    at = None
    for line in notes:
        try:
            found = json.loads(line)
        except ValueError:  # it ended while it wrote
            break
        if "failure" in found:
            failures.append(Failure(**found["failure"]))
        else:
            at = found["store"], found["items"], found["in_step"]
    return at


def _ended_by(number: int) -> int:
    """End this process by a signal, without a second dump of memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number  # it was blocked by whoever started this process
