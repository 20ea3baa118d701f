"""Processes of a test cluster: daemons by their pid files, and what they leave running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.core.errors import ClusterError


def run_command(
    command: Sequence[str], environment: Mapping[str, str], check: bool, timeout_s: float
) -> str:
    """Run a command and return its output, both streams.

    Raises:
        ClusterError: it fails (with `check`) or takes too long.
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
        raise ClusterError(f"{command[0]} did not end within {timeout_s:g} s.") from error
    if check and done.returncode != 0:
        raise ClusterError(f"{' '.join(command)} failed: {' '.join(done.stdout.split())}")
    return done.stdout


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait until a condition holds.

    Args:
        condition: tested every 50 ms.
        timeout_s: longest wait.
        what: what is still wrong after that, the beginning of the error's text.

    Raises:
        ClusterError: it does not hold in time.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise ClusterError(f"{what} after {timeout_s:g} s.")
        time.sleep(0.05)


def pid_of(pid_file: Path, name: str, folder: Path) -> int | None:
    """Return the process of a pid file if it runs, is called `name` and belongs to `folder`.

    The pid alone may by now be that of another process.
    """
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    belongs = name == _read(pid, "comm").strip() and (
        f"{folder}/" in _read(pid, "cmdline") or f"{folder}/" in _read(pid, "environ")
    )
    return pid if belongs and is_alive(pid) else None


def is_alive(pid: int) -> bool:
    """Return True if a process runs; a zombie does not."""
    state = _read(pid, "stat").rpartition(")")[2].split()
    return bool(state) and state[0] != "Z"


def end(pid: int, timeout_s: float = 10) -> None:
    """End a process by SIGTERM, after `timeout_s` by SIGKILL."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
        with contextlib.suppress(ClusterError):
            wait_until(lambda: not is_alive(pid), timeout_s, f"process {pid} runs")
            return


def processes_with(variable: str) -> Iterator[int]:
    """Yield the other processes that have `variable` ("NAME=value") in their environment."""
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        if variable in _read(pid, "environ").split("\0") and pid != os.getpid():
            yield pid


def name_of(pid: int) -> str:
    """Return the name of a process; empty if it has ended."""
    return _read(pid, "comm").strip()


def has_variable(pid: int, name: str) -> bool:
    """Return True if the environment of a process has a variable."""
    return any(part.startswith(f"{name}=") for part in _read(pid, "environ").split("\0"))


def _read(pid: int, entry: str) -> str:
    try:
        return Path(f"/proc/{pid}/{entry}").read_text(errors="replace")
    except OSError:
        return ""
