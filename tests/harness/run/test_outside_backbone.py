"""A transformer that is not a Wan, from another distribution, in a sweep: examples/own_model.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.harness.support import records, sweep

pytestmark = pytest.mark.slow

MOSAIC = ("backbone=mosaic", "duration=6")


@pytest.fixture
def start(with_examples: dict[str, str], tmp_path: Path):
    """Starts a sweep on the outside backbone, in a process group of its own."""

    def run(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *sweep(*MOSAIC, *arguments)],
            env=with_examples,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return run


def finish(process: subprocess.Popen[str]) -> None:
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out


def test_it_is_swept_with_a_window_and_with_retrieval(start, tmp_path: Path) -> None:
    finish(start("method=sliding_window,rag", "suite=brightness"))
    store = tmp_path / "runs/main"
    made = records(store)
    assert {record["identity"]["method"]["name"] for record in made.values()} == {
        "sliding_window",
        "rag",
    }
    traces = {}
    for unit_id, record in made.items():
        assert (record["generation"]["num_latents"], record["num_frames"]) == (24, 47)
        assert (record["fps"], record["width"], record["height"]) == (8, 64, 64)
        assert record["generation"]["facts"]["backbone_plugin"] == "mosaic"
        assert record["generation"]["facts"]["weights"] == "random"
        folder = store / "units" / unit_id
        assert load_file(folder / "latents.safetensors")["latents"].shape == (24, 6, 4, 4)
        lines = (folder / "trace.jsonl").read_text().splitlines()
        traces[record["identity"]["method"]["name"]] = [json.loads(line) for line in lines]
        scores = json.loads((store / "metrics/brightness" / f"{unit_id}.json").read_text())
        assert 0 < scores["metrics"]["brightness"]["durations"]["6"] < 1
    window, rag = traces["sliding_window"], traces["rag"]
    assert [line["first_frame"] for line in window] == list(range(0, 24, 2))  # blocks of two
    assert window[-1]["frames"] == [0, *range(13, 22)]
    assert "memory" in rag[-1]["roles"]
    assert len({record["video"]["sha256"] for record in made.values()}) == 2


def test_kill_9_and_resume_gives_equal_bytes(start, tmp_path: Path) -> None:
    long = ("method=rag", "duration=60", "save_every_blocks=2")
    process = start(*long)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("runs/main/units/*/partial/[0-9]*.safetensors")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not records(tmp_path / "runs/main")
    finish(start(*long))
    finish(start(*long, "name=undisturbed"))
    (unit_id,) = records(tmp_path / "runs/main")
    assert records(tmp_path / "runs/main")[unit_id]["generation"]["timings_s"]["replay"] > 0
    for file in ("latents.safetensors", "trace.jsonl", "video.mp4"):
        one, other = (
            (tmp_path / "runs" / name / "units" / unit_id / file).read_bytes()
            for name in ("main", "undisturbed")
        )
        assert one == other, file
