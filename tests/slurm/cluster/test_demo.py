"""The demo, with a daemon and a job killed on the way."""

from __future__ import annotations

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


def test_whatever_is_killed_the_demo_ends_in_the_same_leaderboard(
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
    killer = threading.Thread(target=_kill_job_and_controller, args=(victims,))
    killer.start()
    code = demo.run_demo("demo", SWEEP)
    killer.join()
    printed = capfd.readouterr().out
    assert code == 0, printed
    assert "slurmctld died; starting it again" in printed
    assert printed.count("submitted: ") > 1, f"resume was not needed: {printed}"
    page = tmp_path / "runs/demo/report/index.html"
    assert page.is_file()
    assert str(page) in printed
    assert not any(victims[0].states().values())
    assert main(["sweep", "--no-report", *SWEEP, "name=alone", "suite=[]"]) == 0
    assert video_hashes(Path("runs/demo")) == video_hashes(Path("runs/alone"))


def _kill_job_and_controller(victims: list[ThrowawayCluster]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        time.sleep(0.2)
        if not victims:
            continue
        running = victims[0].run("squeue", "-h", "-t", "R", "-o", "%A", check=False).split()
        if running:
            victims[0].run("scancel", running[0])
            victims[0].kill("slurmctld")
            return
