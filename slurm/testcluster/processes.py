"""Daemons by their pid files, and the processes they leave behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.core.errors import LongtakeError


def run_command(
    command: Sequence[str], environment: Mapping[str, str], check: bool, timeout_s: float
) -> str:
    """Run a command; returns what it printed, errors included.

    Raises:
        LongtakeError: it failed (with `check`) or takes too long.
    """
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LongtakeError(f"{command[0]} doesn't end within {timeout_s:g} s.") from error
    if check and done.returncode != 0:
        raise LongtakeError(f"{' '.join(command)} failed: {' '.join(done.stdout.split())}")
    return done.stdout


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait for something to become true.

    Raises:
        LongtakeError: it didn't in time; `what` says what was waited for.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise LongtakeError(f"{what} after {timeout_s:g} s.")
        time.sleep(0.05)


def pid_of(pid_file: Path, name: str, folder: Path) -> int | None:
    """The process a pid file names, if it lives, is called `name` and belongs to `folder`."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    belongs = name == _read(pid, "comm").strip() and (
        f"{folder}/" in _read(pid, "cmdline") or f"{folder}/" in _read(pid, "environ")
    )
    return pid if belongs and is_alive(pid) else None


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped doesn't."""
    state = _read(pid, "stat").rpartition(")")[2].split()
    return bool(state) and state[0] != "Z"


def end(pid: int, timeout_s: float = 10) -> None:
    """SIGTERM, and SIGKILL if that isn't enough."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
        with contextlib.suppress(LongtakeError):
            wait_until(lambda: not is_alive(pid), timeout_s, f"process {pid} runs")
            return


def processes_with(variable: str) -> Iterator[int]:
    """Processes that have `NAME=value` in their environment, this one and its parents left out."""
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        if variable in _read(pid, "environ").split("\0") and pid != os.getpid():
            yield pid


def name_of(pid: int) -> str:
    """The name of a process; empty if it is gone."""
    return _read(pid, "comm").strip()


def has_variable(pid: int, name: str) -> bool:
    """Whether the environment of a process has a variable."""
    return any(part.startswith(f"{name}=") for part in _read(pid, "environ").split("\0"))


def _read(pid: int, entry: str) -> str:
    try:
        return Path(f"/proc/{pid}/{entry}").read_text(errors="replace")
    except OSError:
        return ""
