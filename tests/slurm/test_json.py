"""Cluster commands with --json print a document with the documented keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.__main__ import main
from tests.harness.support import documented_keys, keys_of
from tests.slurm import simulation
from tests.slurm.fake_slurm import FakeSlurm


def test_status(fake_slurm: FakeSlurm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = simulation.submitted(32, tmp_path)
    capsys.readouterr()
    code = main(["status", f"sweep={sweep.store}", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert keys_of(found, 2) == documented_keys("status --json", " of a sweep on SLURM")
    # The stand-in for squeue knows no job, so the videos are lost and cannot be scored.
    assert code == 1 and {shard["verdict"] for shard in found["shards"]} == {"lost", "failed"}


def test_doctor(
    fake_slurm: FakeSlurm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["doctor", "executor=slurm", "device=cpu", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert keys_of(found, 2) == documented_keys("doctor executor=slurm --json")


def test_dry_run(fake_slurm: FakeSlurm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = simulation.arguments_of(32, tmp_path)
    assert main(["sweep", "--dry-run", "--json", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == documented_keys("sweep --dry-run executor=slurm --json")
    assert "#SBATCH" in found["scripts"][0]
