"""The process of an external generator: started, watched, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psutil

from harness.core.errors import LongtakeError
from harness.core.events import Interrupted

if TYPE_CHECKING:
    import torch

_POLL_S = 0.2
_GRACE_S = 5.0
_KILLED_S = 1.0
# Whatever a command starts inherits its environment, also in a session of its own.
_MARK = "LONGTAKE_COMMAND_FOLDER"


class CommandFailed(LongtakeError):
    """An external generator ended without a video of the right length and size."""


@contextmanager
def command_folder() -> Iterator[Path]:
    """Yield a temporary folder for one command, and end what workers that were killed left."""
    prefix = f"longtake-external-{socket.gethostname()}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        pid = left.name.removeprefix(prefix).partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            _kill(_marked(left))
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-") as name:
        yield Path(name)


def run_command(
    argv: Sequence[str],
    folder: Path,
    cwd: str,
    timeout_s: float,
    device: torch.device,
    log: IO[bytes],
    stop_requested: Callable[[], bool],
) -> None:
    """Run a command until it ends; nothing that it started is left afterwards.

    Args:
        argv: program and arguments.
        folder: its temporary folder, see `command_folder`.
        cwd: where it runs.
        timeout_s: seconds after which it is ended.
        device: the one that it uses; a CUDA device becomes CUDA_VISIBLE_DEVICES.
        log: receives its output.
        stop_requested: asked while it runs.

    Raises:
        Interrupted: `stop_requested` returned True.
        CommandFailed: it can't be started, took too long, or ended with an error.
    """
    environment = os.environ | {_MARK: str(folder)}
    if device.type == "cuda":
        visible = environment.get("CUDA_VISIBLE_DEVICES", "").split(",")
        index = device.index or 0
        environment["CUDA_VISIBLE_DEVICES"] = visible[index] if visible[0] else str(index)
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(f"The command can't be started: {error}") from error
    deadline = time.monotonic() + timeout_s
    try:
        while process.poll() is None:
            if stop_requested():
                raise Interrupted
            if time.monotonic() > deadline:
                raise CommandFailed(
                    f"The command took longer than backbone.timeout_s={timeout_s:g}."
                )
            time.sleep(_POLL_S)
    finally:
        _end(process, folder)
    if process.returncode < 0:
        raise CommandFailed(f"The command was ended by signal {-process.returncode}.")
    if process.returncode:
        raise CommandFailed(f"The command ended with exit status {process.returncode}.")


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End a command and what it started; one that runs has a few seconds to do it itself."""
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    _signal_group(process, signal.SIGKILL)
    _kill(_marked(folder))
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _marked(folder: Path) -> Iterator[psutil.Process]:
    """Yield the processes whose environment names the folder of a command."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it ended, or is another user's
            if process.environ().get(_MARK) == str(folder):
                yield process


def _kill(processes: Iterator[psutil.Process]) -> None:
    killed = list(processes)
    for process in killed:
        with contextlib.suppress(psutil.Error):
            process.kill()
    # So that none still writes into a folder that is removed next.
    psutil.wait_procs(killed, timeout=_KILLED_S)
