"""Nothing of a command survives it: time-outs, stops, ends and killed workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import psutil
import pytest
import torch

from harness.core.events import Interrupted
from harness.run.external_process import CommandFailed, command_folder, run_command

# Starts a program in a session of its own, as torchrun does, and forgets it.
COMMAND = """
import subprocess, sys, time
from pathlib import Path

program = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(program, start_new_session=True)
Path("new").write_text(str(child.pid))
Path("new").rename("child")
time.sleep(float(sys.argv[1]))
"""
WORKER = """
import sys, torch
from harness.run.external_process import command_folder, run_command

with command_folder() as folder, (folder / "log").open("w+b") as log:
    run_command(sys.argv[1:], folder, ".", 600, torch.device("cpu"), log, lambda: False)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))


def wait_for(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def child_started() -> bool:
    return Path("child").exists()


@pytest.mark.parametrize(
    ("seconds", "timeout_s", "stop", "expected"),
    [
        ("600", 0.001, False, pytest.raises(CommandFailed, match="took longer")),
        ("600", 600, True, pytest.raises(Interrupted)),
        ("0", 600, False, nullcontext()),
    ],
    ids=["time-out", "stop", "end"],
)
def test_a_session_of_its_own_ends_with_the_command(
    seconds: str, timeout_s: float, stop: bool, expected: AbstractContextManager[object]
) -> None:
    def stop_requested() -> bool:
        wait_for(child_started)
        return stop

    argv, cpu = [sys.executable, "-c", COMMAND, seconds], torch.device("cpu")
    with command_folder() as folder, (folder / "log").open("w+b") as log, expected:
        run_command(argv, folder, ".", timeout_s, cpu, log, stop_requested)
    pid = int(Path("child").read_text())
    wait_for(lambda: gone(pid))


@pytest.mark.slow
def test_what_a_killed_worker_left_is_ended_and_removed_by_the_next() -> None:
    command = [sys.executable, "-c", COMMAND, "600"]
    worker = subprocess.Popen([sys.executable, "-c", WORKER, *command])
    wait_for(child_started)
    pid = int(Path("child").read_text())
    with command_folder():
        assert not gone(pid), "its worker lives"
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert not gone(pid)
    (left,) = Path("temporary").iterdir()
    with command_folder():
        wait_for(lambda: gone(pid))
        assert not left.exists()
    assert not list(Path("temporary").iterdir())
