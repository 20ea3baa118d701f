"""status, logs, resume, cancel and list runs of sweeps on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from harness.api.listening import interruptible
from harness.store.paths import StorePaths
from harness.store.processes import Process, running_processes, working
from harness.store.run_store import RunStore
from tests.harness.support import documented_keys, keys_of, sweep, unit_dirs, video_hashes
from tests.reports.experiment import make_store

HOLDS = """
import signal, sys
from pathlib import Path
from harness.store.paths import StorePaths
from harness.store.processes import working
with working(StorePaths(Path(sys.argv[1]))):
    print("ready", flush=True)
    signal.pause()
"""
COMMAND = ("python", "-m", "harness")


@pytest.fixture
def store(cli) -> RunStore:
    """A sweep of four units: two are done, one failed, one is missing."""
    store = RunStore(
        make_store(Path("runs/tour"), {"a": {"p": 0.0, "q": 1.0}, "b": {"p": 0, "q": 1}})
    )
    for unit_id in ("b-p", "b-q"):
        store.record_path(unit_id).unlink()
    store.write_failure("b-p", "ValueError: no", "line one\nline two")
    return store


def test_status_counts_what_is_done_failed_and_missing(cli, store: RunStore) -> None:
    result = cli("status", "tour")
    assert result.code == 1
    assert "failed: tiny | b | p seed 0: ValueError: no" in result.out
    assert "python -m harness" not in result.out.replace("python -m harness logs", "")
    store.add_command([], [*COMMAND, "generate", "prompt=a red barn"], [])
    result = cli("status", "tour")
    assert "to continue: python -m harness generate 'prompt=a red barn'" in result.out
    store.add_command([], [*COMMAND, "sweep"], [])
    result = cli("status", "tour")
    assert f"to continue: python -m harness resume {store.root.absolute()}" in result.out
    found = json.loads(cli("status", "runs/tour", "--json").out)
    assert keys_of(found["rows"], 1) | keys_of(found["suites"], 1) | set(found) | {
        "pid",
        "host",
        "since",
        *("unit", "process", "quiet_s"),
        "label",
        "step",
        "steps",
    } == documented_keys("status --json")
    assert [
        (row["method"], row["done"], row["failed"], row["missing"]) for row in found["rows"]
    ] == [
        ("a", 2, 0, 0),
        ("b", 0, 1, 1),
    ]
    assert found["suites"] == [{"suite": "offline", "done": 2, "failed": 0, "missing": 0}]
    assert found["failures"] == {"b-p": "ValueError: no"}


def test_status_names_a_unit_without_progress(cli, store: RunStore) -> None:
    store.claims_dir.mkdir()
    for unit_id, quiet_s in (("b-q", 4000), ("b-p", 3)):
        moved = int(time.time()) - quiet_s
        text = f"elsewhere, process 7\n{moved}\n"
        (store.claims_dir / unit_id).write_text(text)
    out = cli("status", "tour").out
    assert "tiny | b | q seed 0: no progress for 1 h 7 min" in out and "process 7" in out
    assert out.count("no progress") == 1


def test_watching_into_a_file_prints_a_line_per_change_and_says_how_to_come_back(
    cli, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = [Process(1, "elsewhere", "now")]
    monkeypatch.setattr("harness.store.progress.running_processes", lambda _: at_work)
    steps = iter(
        [
            lambda: None,
            lambda: store.write_failure("b-q", "no", "no"),
            Mock(side_effect=KeyboardInterrupt),
            at_work.clear,
        ]
    )
    # Not `time.sleep` itself, which other threads call.
    monkeypatch.setattr("harness.cli.watch.time", SimpleNamespace(sleep=lambda _: next(steps)()))
    result = cli("status", "tour", "--watch")
    counted = [line for line in result.out.splitlines() if "units: " in line]
    assert ["1 failed" in line for line in counted] == [True, False], result.out
    assert result.code == 130 and "The processes go on." in result.out
    result = cli("status", "tour", "--watch")
    assert result.code == 1 and "2 failed: python -m harness logs" in result.out
    assert not list(steps)


def test_logs_show_why_units_failed(cli, store: RunStore) -> None:
    result = cli("logs", "tour", "lines=1")
    assert "==> tiny | b | p seed 0" in result.out
    assert "line two" in result.out and "line one" not in result.out
    assert cli("logs", "tour", "unit=b-q").code == 2
    assert "for sweeps on SLURM" in cli("logs", "tour", "task=1_2").err
    store.clear_failure("b-p")
    assert "Nothing failed" in cli("logs", "tour").out


def test_scores_with_a_failed_metric_count_as_failed(cli, store: RunStore) -> None:
    store.clear_failure("b-p")
    store.write_failure("offline:a-p", "MetricFailed: sky", "in the sky")
    assert store.scores_path("offline", "a-p").is_file()
    found = json.loads(cli("status", "tour", "--json").out)
    assert found["suites"] == [{"suite": "offline", "done": 1, "failed": 1, "missing": 0}]
    assert found["failures"] == {"offline:a-p": "MetricFailed: sky"}
    assert cli("status", "tour").code == 1
    assert "in the sky" in cli("logs", "tour").out


def ask(store: RunStore, *durations: float, sha256: str = "a") -> None:
    """Note a sweep command for row a."""
    row = {"backbone": {"label": "tiny"}, "method": {"label": "a"}, "suite": ["offline"]}
    row |= {"seed": [0], "prompts": {"sha256": sha256}, "duration": list(durations)}
    argv = ["python", "-m", "harness", "sweep", f"duration={durations}", sha256]
    store.add_command([], argv, [row])


def test_a_video_shorter_than_asked_for_is_not_done(cli, store: RunStore) -> None:
    """The videos of row a have three seconds."""

    def row_a() -> tuple[int, int, int]:
        (row,) = (
            r for r in json.loads(cli("status", "tour", "--json").out)["rows"] if r["method"] == "a"
        )
        return row["done"], row["failed"], row["missing"]

    ask(store, 2, 3)
    assert row_a() == (2, 0, 0)
    ask(store, 3, 6)
    assert row_a() == (0, 0, 2)
    store.write_failure("a-p", "ValueError: no more", "")
    assert row_a() == (0, 1, 1)
    # Some prompts were asked for at three seconds only, and nothing says which.
    ask(store, 3, sha256="b")
    assert row_a() == (2, 0, 0)


def test_scores_without_the_longest_duration_are_missing(cli, store: RunStore) -> None:
    ask(store, 2.5, 3)
    suites = json.loads(cli("status", "tour", "--json").out)["suites"]
    assert suites == [{"suite": "offline", "done": 2, "failed": 0, "missing": 0}]
    path = store.scores_path("offline", "a-p")
    scores = json.loads(path.read_text())
    scores["durations"] = {"2.5": scores["durations"]["3"]}
    path.write_text(json.dumps(scores))
    suites = json.loads(cli("status", "tour", "--json").out)["suites"]
    assert suites == [{"suite": "offline", "done": 1, "failed": 0, "missing": 1}]


def test_list_runs_shows_every_sweep(cli, store: RunStore) -> None:
    make_store(Path("runs/other"), {"a": {"p": 0.0}})
    Path("runs/not_a_sweep").mkdir()
    result = cli("list", "runs")
    assert "tour" in result.out and "other" in result.out and "not_a_sweep" not in result.out
    found = json.loads(cli("list", "runs", "--json").out)
    assert keys_of(found, 1) | keys_of(found["runs"], 1) == documented_keys("list runs --json")
    tour = next(run for run in found["runs"] if run["name"] == "tour")
    assert (tour["units"], tour["done"], tour["failed"], tour["missing"]) == (4, 2, 1, 1)


@pytest.mark.slow
def test_resume_runs_the_commands_of_a_sweep_again_in_their_folder(cli, monkeypatch) -> None:
    assert cli(*sweep("method=rag", "name=tour")).code == 0
    before = video_hashes(Path("runs/tour"))
    (unit,) = unit_dirs(Path("runs/tour"))
    (unit / "record.json").unlink()
    folder = Path.cwd()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    result = cli("resume", str(folder / "runs/tour"))
    assert result.code == 0, result.err
    assert "1 unit to make, 0 already there" in result.out
    assert video_hashes(folder / "runs/tour") == before
    assert "for SLURM" in cli("resume", str(folder / "runs/tour"), "--again").err
    assert not Path("runs").exists()


@pytest.mark.parametrize("runs", ["{}/x/runs", "../x/runs"])
def test_resume_returns_to_the_folder_of_the_command(
    cli, monkeypatch, tmp_path: Path, runs: str
) -> None:
    store, arguments = given_in(tmp_path / "work", tmp_path / "x/runs/tour", runs)
    ran = resumed(monkeypatch)
    assert cli("resume", str(store.root)).code == 0
    assert ran == [(tmp_path / "work", arguments)]
    (tmp_path / "x").rename("y")
    result = cli("resume", "y/runs/tour")
    assert result.code == 2 and len(ran) == 1
    assert f"It was given in {tmp_path / 'work'}." in result.err


def test_resume_follows_a_folder_that_was_moved_as_a_whole(
    cli, monkeypatch, tmp_path: Path
) -> None:
    _, arguments = given_in(tmp_path / "x", tmp_path / "x/runs/tour", "runs")
    ran = resumed(monkeypatch)
    (tmp_path / "x").rename("y")
    assert cli("resume", "y/runs/tour").code == 0
    assert ran == [(tmp_path / "y", arguments)]


def given_in(folder: Path, root: Path, runs: str) -> tuple[RunStore, list[str]]:
    """Make a store by a sweep command in a folder; return it and the arguments."""
    store = RunStore(make_store(root, {"a": {"p": 0.0}}))
    folder.mkdir(exist_ok=True)
    arguments = [f"runs={runs.format(folder.parent)}", "name=tour"]
    with contextlib.chdir(folder):
        store.add_command([], [*COMMAND, "sweep", *arguments], [])
    return store, arguments


def resumed(monkeypatch) -> list[tuple[Path, list[str]]]:
    """Run no sweeps; return the folder and the arguments of each, as they come."""
    ran: list[tuple[Path, list[str]]] = []

    def sweep(arguments: list[str], **_: bool) -> int:
        ran.append((Path.cwd(), arguments))
        return 0

    monkeypatch.setattr("harness.cli.sweep_command.sweep", sweep)
    return ran


@pytest.mark.slow
def test_cancel_stops_the_process_that_is_at_work(cli, store: RunStore) -> None:
    assert "No process works on this sweep" in cli("cancel", "tour").out
    command = [sys.executable, "-c", HOLDS, str(store.root)]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=here) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (found,) = running_processes(store)
        assert (found.pid, found.is_here) == (process.pid, True)
        assert f"at work: process {process.pid}" in cli("status", "tour").out
        assert f"asked to stop: process {process.pid}" in cli("cancel", "tour").out
        assert process.wait() == -signal.SIGTERM
    # It was killed and left its file behind; the lock went with it.
    assert list(store.processes_dir.iterdir())
    assert running_processes(store) == []
    assert not list(store.processes_dir.iterdir())


def test_cancel_says_which_processes_it_could_not_stop(cli, store: RunStore, monkeypatch) -> None:
    command = [sys.executable, "-c", HOLDS, str(store.root)]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=here) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for error, code, said in (
            (PermissionError, 1, "belongs to another user"),
            (ProcessLookupError, 0, "ended in the meantime"),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(os, "kill", Mock(side_effect=error))
                result = cli("cancel", "tour")
            assert result.code == code
            assert f"{said}: process {process.pid}" in result.out
            assert "asked to stop" not in result.out
        process.terminate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_python_program_with_progress_saved(number: signal.Signals) -> None:
    with (
        pytest.raises(KeyboardInterrupt, match="progress is saved"),
        interruptible() as stop_requested,
    ):
        assert not stop_requested()
        signal.raise_signal(number)
        assert stop_requested()


def test_a_process_does_not_report_itself(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path)
    with working(paths):
        assert running_processes(paths) == []
        assert [path.name.rpartition("-")[2] for path in paths.processes_dir.iterdir()] == [
            str(os.getpid())
        ]
    assert not list(paths.processes_dir.iterdir())
