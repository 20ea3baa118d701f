"""Commands with a guard: units that end the process, and how it is stopped; by test_guard.py."""

from __future__ import annotations

import json
import os
import pty
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.__main__ import main
from harness.core import guard
from tests.faults.command import finish, run, start
from tests.harness.support import records, sweep

pytestmark = pytest.mark.slow

STORE = Path("runs/main")
# Each process of this folder's tests is forked from this one, which has everything imported.
DYING = """
import ctypes, os, signal, time
from dataclasses import dataclass
from pathlib import Path
from methods.sliding_window import SlidingWindow

def hang():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    Path("process").write_text(str(os.getpid()))
    time.sleep(600)

def wait():
    Path("process").write_text(str(os.getpid()))
    time.sleep(0.01)

def deadlock():
    # With the lock of the interpreter held.
    ctypes.PyDLL(None).sleep(600)

ENDS = {
    "deadlock": deadlock,
    "raise": lambda: 1 / 0,
    "segv": lambda: ctypes.string_at(8),
    "abort": os.abort,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: ctypes.CDLL(None).exit(0),
    "hang": hang,
    "wait": wait,
    "never": lambda: None,
}

@dataclass
class Dying(SlidingWindow):
    how: str = "never"

    def plan(self, first_frame):
        ENDS[self.how]()
        return super().plan(first_frame)

@dataclass
class DyingIfOdd(SlidingWindow):
    def reset(self, rollout):
        super().reset(rollout)
        self.seed = rollout.seed

    def plan(self, first_frame):
        ENDS["kill" if self.seed % 2 and first_frame else "never"]()
        return super().plan(first_frame)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("dying.py").write_text(DYING)
    return folder


def dying(*how: str) -> tuple[str, ...]:
    return tuple(sweep("method=dying:Dying", f"method.how={','.join(how)}", "duration=0.75"))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def process_at_work() -> int:
    wait_for(lambda: Path("process").is_file() and bool(Path("process").read_text()))
    return int(Path("process").read_text())


def test_units_that_end_the_process_fail_and_the_others_are_made_and_scored(folder: Path) -> None:
    ends = ("raise", "segv", "abort", "kill", "exit", "never")
    ended = run(folder, (*dying(*ends), "suite=flicker_stability"), guarded=True)
    assert ended.code == 1, ended.output
    assert len(records(STORE)) == 1
    assert len(list(STORE.glob("metrics/*/*.json"))) == 1
    failures = [json.loads(path.read_text()) for path in STORE.glob("units/*/failure.json")]
    reasons = " ".join(failure["error"] for failure in failures)
    for reason in (
        "ZeroDivisionError",
        "was ended by SIGSEGV (dying.py:23 in <lambda>)",
        "was ended by SIGABRT (dying.py:37 in plan)",
        "was ended by SIGKILL, as kill -9 does",
        "ended with status 0",
    ):
        assert reason in reasons
        # Each is said when it happens and at the end, whatever number of processes there were.
        assert ended.output.count(reason) == (2 if reason == "ZeroDivisionError" else 3)
    assert sum("Segmentation fault" in failure["traceback"] for failure in failures) == 1
    assert ended.output.count("6 units to make") == 1
    assert "6 units, 5 failed" in ended.output
    assert not (STORE / ".claims").exists()


def test_units_in_step_that_end_the_process_are_made_alone_and_only_then_blamed(
    folder: Path,
) -> None:
    """Two groups of two, each with one that ends the process."""
    units = sweep("method=dying:DyingIfOdd", "seed=0,1,2,3", "duration=1.5", "batch=2")
    ended = run(folder, tuple(units), guarded=True)
    assert ended.code == 1, ended.output
    assert ended.output.count("a new one continues") == 4  # once for each group, and each alone
    made = records(STORE).values()
    assert {(record["seed"], record["generation"]["batch"]) for record in made} == {(0, 1), (2, 1)}
    assert len(list(STORE.glob("units/*/failure.json"))) == 2


def test_a_process_that_ends_while_it_loads_fails_all_that_needs_it(folder: Path) -> None:
    def before() -> None:
        from backbones.street.backbone import StreetBackbone

        load = StreetBackbone.load

        def abort(source: StreetBackbone, *arguments: object) -> object:
            if source.denoising_step_list == [500]:
                os.abort()
            return load(source, *arguments)  # type: ignore[arg-type]

        StreetBackbone.load = abort  # type: ignore[assignment,method-assign]

    steps = "backbone.denoising_step_list=[500],[1000]"
    ended = run(folder, (*dying("never"), "seed=0,1", steps), before, guarded=True)
    assert ended.code == 1, ended.output
    assert len(records(STORE)) == len(list(STORE.glob("units/*/failure.json"))) == 2


def test_a_command_that_ends_elsewhere_ends_by_the_same_signal(folder: Path) -> None:
    def before() -> None:
        from harness.run import stages

        stages.run_stages = lambda *_: os.abort()

    ended = run(folder, dying("never"), before, guarded=True)
    assert ended.code == -signal.SIGABRT
    assert "continues" not in ended.output


def test_a_unit_without_progress_ends_its_process_at_the_limit(folder: Path) -> None:
    command = (*dying("deadlock", "never"), "stall_limit_s=6")
    ended = run(folder, command, guarded=True)
    assert ended.code == 1, ended.output
    place = "dying.py:18 in deadlock"
    assert f"after 0:00:06 without progress, the stall_limit_s ({place})" in ended.output
    (failure,) = STORE.glob("units/*/failure.json")
    assert "in deadlock" in json.loads(failure.read_text())["traceback"]
    assert len(records(STORE)) == 1
    ended = run(folder, command)
    assert ended.code == 2 and "add executor=processes" in ended.output


def test_a_second_ctrl_c_ends_a_unit_that_hangs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_GRACE_S", 0.1)
    log = folder.parent / "log"
    pid = start(folder, dying("hang", "never"), log, guarded=True)
    child = process_at_work()
    for _ in range(2):
        os.kill(pid, signal.SIGINT)
        time.sleep(0.1)  # two of one number at once are one
    ended = finish(pid, log)
    assert (ended.code, psutil.pid_exists(child)) == (130, False), ended.output
    assert "interrupted" in ended.output and "continues" not in ended.output
    assert not list(STORE.glob("units/*/failure.json"))


def test_a_command_does_not_outlive_its_guard(folder: Path) -> None:
    log = folder.parent / "log"
    pid = start(folder, dying("hang"), log, guarded=True)
    child = process_at_work()
    os.kill(pid, signal.SIGKILL)
    assert finish(pid, log).code == -signal.SIGKILL
    wait_for(lambda: not psutil.pid_exists(child))


def test_a_key_in_the_terminal_stops_it_once(folder: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        os._exit(guard.run_guarded(lambda: main((*dying("wait"), "duration=120"))))
    process_at_work()
    os.write(terminal, b"\x03")
    printed = b""
    while True:
        try:
            printed += os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130, printed
    assert b"progress is saved. To continue:" in printed
