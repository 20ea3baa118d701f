"""Plug-ins of another distribution, really installed and really run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.support import sweep

pytestmark = pytest.mark.slow


def run(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_plug_ins_are_listed_with_their_origin(with_examples, tmp_path: Path) -> None:
    listing = run(with_examples, tmp_path, "list")
    for name in ("every_other", "first_channel", "brightness", "mosaic"):
        assert name in listing
    assert listing.count("longtake-examples") == 4


def test_strategy_encoder_and_metric_run_without_a_config_file(with_examples, tmp_path) -> None:
    methods = ["method=every_other", "method.step_latents=3", "method.recent_exclude_latents=0"]
    run(with_examples, tmp_path, *sweep(*methods, "duration=6", "suite=brightness"))
    run(with_examples, tmp_path, *sweep("method=rag", "method.descriptor=first_channel"))
    store = tmp_path / "runs/main"
    scores = [json.loads(path.read_text()) for path in store.glob("metrics/brightness/*.json")]
    assert 0 < scores[0]["metrics"]["brightness"]["durations"]["6"] < 1
    unit_id = scores[0]["unit_id"]
    trace = (store / "units" / unit_id / "trace.jsonl").read_text().splitlines()
    last = json.loads(trace[-1])
    memory = [f for f, r in zip(last["frames"], last["roles"], strict=True) if r == "memory"]
    assert memory == [9, 6, 3]
