"""The demo, while a job and one daemon of every kind are killed."""

from __future__ import annotations

import csv
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.__main__ import main
from slurm.testcluster import demo
from slurm.testcluster.cluster import ThrowawayCluster
from slurm.testcluster.processes import wait_until
from tests.harness.support import video_hashes

SWEEP = (
    "backbone=street",
    "method=sliding_window,rag",
    "backbone.denoising_step_list=[1000]",
    "prompts.num=1",
    "duration=6",
    "suite=flicker_stability",
    "device=cpu",
)
OF_THE_MACHINE = ("frames_per_s", "peak_device_mib", "peak_host_mib", "made_on")


def test_the_demo_survives_kills_and_ends_in_the_same_leaderboard(
    full: ThrowawayCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    victims: list[ThrowawayCluster] = []
    started = ThrowawayCluster.start

    def start(self: ThrowawayCluster, fresh: bool = False) -> None:
        started(self, fresh)
        victims.append(self)

    monkeypatch.setattr(ThrowawayCluster, "start", start)
    with ThreadPoolExecutor(1) as threads:
        killed = threads.submit(_cancel_a_job_and_kill_a_daemon_of_every_kind, victims)
        code = demo.run_demo("demo", SWEEP)
    killed.result()
    printed = capfd.readouterr().out
    assert code == 0, printed
    for daemon in ("slurmctld", r"slurmd n\d", "munged"):
        assert re.search(rf"{daemon}(, .*)? died; restarting", printed), printed
    assert printed.count("submitted: ") > 1, f"resume was not needed: {printed}"
    page = tmp_path / "runs/demo/report/index.html"
    assert page.is_file()
    assert str(page) in printed
    assert not any(victims[0].states().values())
    assert main(["sweep", *SWEEP, "name=alone"]) == 0
    assert video_hashes(Path("runs/demo")) == video_hashes(Path("runs/alone"))
    assert _leaderboard(Path("runs/demo")) == _leaderboard(Path("runs/alone"))


def _leaderboard(store: Path) -> dict[str, list[dict[str, str]]]:
    """Return the rows of every table, without time and memory, which depend on the machine."""
    found = {}
    for path in (store / "report/tables").glob("*.csv"):
        if path.stem not in ("units", "timings"):
            with path.open() as file:
                found[path.stem] = [
                    {key: value for key, value in row.items() if key not in OF_THE_MACHINE}
                    for row in csv.DictReader(file)
                ]
    # Other tables have no rows at this length; they are compared all the same.
    assert {"flicker_stability_6s", "scores"} <= {name for name, rows in found.items() if rows}
    return found


def _cancel_a_job_and_kill_a_daemon_of_every_kind(victims: list[ThrowawayCluster]) -> None:
    """Cancel the first job that generates; once that is on disk, kill daemons of every kind.

    All are killed at one moment: how long jobs run after it depends on the machine. A controller
    killed before it has saved the end of the job would run the job again, and nothing would need
    to be submitted again.
    """
    job, node = _generating(victims)
    cluster = victims[0]
    saved = cluster.folder / "state/job_state"
    cluster.run("scancel", job)
    wait_until(lambda: job not in _jobs(cluster, "R,CG"), 30, f"job {job} runs")
    over_s = time.time()
    wait_until(lambda: saved.stat().st_mtime > over_s, 60, "the controller's state is old")
    cluster.kill("slurmctld")
    cluster.kill("slurmd", node)
    cluster.kill("munged")


def _generating(victims: list[ThrowawayCluster]) -> tuple[str, str]:
    """Wait for a job that generates and return its id and node."""
    found: list[tuple[str, str]] = []

    def is_there() -> bool:
        if victims and victims[0].is_up():
            for job, (node, name) in _jobs(victims[0], "R").items():
                if name.endswith("-generate"):
                    found.append((job, node))
        return bool(found)

    wait_until(is_there, 120, "no job generates")
    return found[0]


def _jobs(cluster: ThrowawayCluster, states: str) -> dict[str, tuple[str, str]]:
    """Return node and name of every job in one of the states."""
    listed = cluster.run("squeue", "-h", "-t", states, "-o", "%A|%N|%j", check=False)
    rows = [line.split("|") for line in listed.splitlines() if line.count("|") == 2]
    return {job: (node, name) for job, node, name in rows}
