"""One command in a process of its own, forked from one that has imported everything."""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# For a command that never ends, in seconds of the CPU and not of the clock: commands take
# some seconds, so that no machine is slow enough to fail one that works.
_HANGS_CPU_S = 3600
_MOST_BYTES = 24 * 2**30
_TRACEBACK = 99


@dataclass(frozen=True)
class Ended:
    """The end of a command.

    Attributes:
        code: exit code; negative for the signal that ended it.
        output: what it printed, both streams.
    """

    code: int
    output: str

    @property
    def unclear(self) -> str | None:
        """Say what is wrong with the way it ended; None if a person would understand it."""
        if self.code < 0:
            return f"ended by signal {-self.code}"
        if self.code == _TRACEBACK or "Traceback (most recent call last)" in self.output:
            return "ended in a traceback"
        if self.code not in (0, 1, 2, 3, 130):
            return f"exit code {self.code}"
        if self.code and not self.output.strip():
            return f"exit code {self.code} without a word"
        return None


def start(
    folder: Path,
    argv: Sequence[str],
    log: Path,
    before: Callable[[], None] | None = None,
    guarded: bool = False,
) -> int:
    """Start `python -m harness ARGV` in `folder`; return the number of the process.

    Args:
        folder: working folder.
        argv: arguments of the command.
        log: file of its output.
        before: called in the new process first.
        guarded: with the guard that it has on a command line.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setpgid(0, 0)
        code = _run(folder, argv, log, before, guarded)
    except BaseException:
        traceback.print_exc()
        code = _TRACEBACK
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(
    folder: Path,
    argv: Sequence[str],
    log: Path,
    before: Callable[[], None] | None,
    guarded: bool = False,
) -> int:
    from harness.__main__ import main
    from harness.core.guard import run_guarded

    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, target)
    # As the interpreter opens them for a file.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ["PWD"] = str(folder)
    resource.setrlimit(resource.RLIMIT_CPU, (_HANGS_CPU_S, _HANGS_CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    if before:
        before()
    try:
        return run_guarded(lambda: main(argv)) if guarded else main(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1


def finish(pid: int, log: Path) -> Ended:
    """Wait for a process of `start`."""
    _, status = os.waitpid(pid, 0)
    return Ended(os.waitstatus_to_exitcode(status), log.read_text(errors="replace"))


def run(
    folder: Path,
    argv: Sequence[str],
    before: Callable[[], None] | None = None,
    guarded: bool = False,
) -> Ended:
    """Run `python -m harness ARGV` in `folder`."""
    log = folder.parent / f"{folder.name}.log"
    return finish(start(folder, argv, log, before, guarded), log)


def modules_of(folder: Path, argv: Sequence[str]) -> list[str]:
    """Run a command that must succeed; return the modules that it imported."""
    names = folder.parent / "modules.json"
    log = folder.parent / f"{folder.name}.log"
    pid = os.fork()
    if pid == 0:
        try:
            code = _run(folder, argv, log, None)
            names.write_text(json.dumps(sorted(sys.modules)))
        except BaseException:
            traceback.print_exc()
            code = _TRACEBACK
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    ended = finish(pid, log)
    if ended.code:
        raise RuntimeError(f"{' '.join(argv)}: {ended.code}\n{ended.output}")
    return json.loads(names.read_text())


def preload(names: Iterable[str]) -> None:
    """Import modules, so that the processes forked from here have them."""
    for name in names:
        if name in sys.modules or name == "__main__":
            continue
        try:
            importlib.import_module(name)
        except Exception:  # a part of another package that can't be imported by itself
            continue
