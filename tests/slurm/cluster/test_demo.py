"""The demo, while a job and one daemon of every kind are killed."""

from __future__ import annotations

import csv
import re
import threading
import time
from pathlib import Path

import pytest

from harness.__main__ import main
from slurm.testcluster import demo
from slurm.testcluster.cluster import ThrowawayCluster
from tests.harness.support import video_hashes

SWEEP = (
    "backbone=tiny_short",
    "method=sliding_window,rag",
    "backbone.denoising_step_list=[1000]",
    "prompts.num=1",
    "duration=6",
    "suite=flicker_stability",
    "device=cpu",
)
OF_THE_MACHINE = ("frames_per_s", "peak_device_mib", "peak_host_mib")


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
    killer = threading.Thread(target=_kill_one_after_the_other, args=(victims,))
    killer.start()
    code = demo.run_demo("demo", SWEEP)
    killer.join()
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
    assert set(found) == {"flicker_stability_6s", "scores"}
    assert all(found.values())
    return found


def _kill_one_after_the_other(victims: list[ThrowawayCluster]) -> None:
    """Kill a job and the controller; once it is back, munge and the daemon of a busy node."""
    job, _ = _busy(victims)
    victims[0].run("scancel", job)
    victims[0].kill("slurmctld")
    _, node = _busy(victims)
    victims[0].kill("slurmd", node)
    victims[0].kill("munged")


def _busy(victims: list[ThrowawayCluster]) -> tuple[str, str]:
    """Wait for a job that generates and return its id and node."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        time.sleep(0.2)
        if not victims or not victims[0].is_up():
            continue
        listed = victims[0].run("squeue", "-h", "-t", "R", "-o", "%A|%N|%j", check=False)
        for line in listed.splitlines():
            job, node, name = (*line.split("|"), "", "")[:3]
            if name.endswith("-generate"):
                return job, node
    raise AssertionError("nothing runs")
