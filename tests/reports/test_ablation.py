"""Comparisons of an experiment on a hand-made run store."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from harness.errors import LongtakeError
from reports.ablation import ALL, build_ablation, compare
from reports.ablation_page import cells, markdown
from reports.load import load_sweep

PROMPTS = ["p1", "p2", "p3", "p4", "p5", "p6"]


def make_store(folder: Path, rows: dict[str, dict[str, float]]) -> Path:
    """A run store with one metric: its value by row and prompt."""
    command = {"time": "t", "argv": ["python"], "configs": []}
    header = {"name": "exp", "created": "t", "revision": "r", "versions": {}, "commands": [command]}
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(yaml.safe_dump(header))
    lines = []
    for row, values in rows.items():
        for prompt, value in values.items():
            unit_id = f"{row}-{prompt}"
            line = {"unit_id": unit_id, "backbone": "tiny", "method": row, "row_id": row}
            lines.append(line | {"prompt_id": prompt, "prompt": prompt, "seed": 0})
            record = {
                "schema": 1,
                "num_latents": 12,
                "num_frames": 45,
                "fps": 16,
                "duration_s": 3.0,
                "memory_mib": {"peak_host": 1.0, "peak_device": None},
                "environment": {"gpu": None, "host_cpu": "c"},
                "identity": {},
                "video": {"file": "video.mp4", "sha256": "a" * 64},
                "timings_s": {},
            }
            (folder / "units" / unit_id).mkdir(parents=True)
            (folder / "units" / unit_id / "record.json").write_text(json.dumps(record))
            info = {
                "name": "sky",
                "title": "Sky",
                "direction": "higher",
                "unit": "",
                "description": "",
            }
            metric = {"info": info, "reason": None, "clip_scores": [value], "curve": [value]}
            clip = {"start_frame": 0, "end_frame": 32, "start_s": 0.0, "end_s": 2.0, "sha256": "a"}
            scores = {
                "schema": 1,
                "suite": "offline",
                "suite_version": "1",
                "unit_id": unit_id,
                "video_sha256": "a" * 64,
                "prompt": prompt,
                "fps": 16,
                "clips": [clip],
                "durations": {"3": {"num_frames": 45, "clips": [0]}},
                "metrics": {"sky": metric | {"durations": {"3": value}}},
                "not_set_up": [],
                "timings_s": {},
            }
            path = folder / "metrics" / "offline" / f"{unit_id}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(scores))
    (folder / "units.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Row "better" is higher by 0.1 on every prompt; "same" differs by nothing in the mean."""
    base = dict(zip(PROMPTS, (0.1, 0.5, 0.3, 0.9, 0.7, 0.2), strict=True))
    noise = dict(zip(PROMPTS, (0.05, -0.05, 0.02, -0.02, 0.01, -0.01), strict=True))
    rows = {
        "reference": base,
        "better": {prompt: value + 0.1 for prompt, value in base.items()},
        "same": {prompt: value + noise[prompt] for prompt, value in base.items()},
        "short": {"p1": 0.4},
    }
    folder = make_store(tmp_path / "runs" / "exp", rows)
    axes = {"Question & answer": ["reference", "better", "same", "short"]}
    (folder / "experiment.json").write_text(json.dumps({"name": "exp", "axes": axes}))
    return folder


def test_differences_are_paired_and_marked_only_when_their_interval_excludes_zero(
    store: Path,
) -> None:
    comparisons = compare(load_sweep(store)).of("Question & answer", ALL)
    found = {c.row: c for c in comparisons if c.metric.name == "sky"}
    better, same, short = found["better"], found["same"], found["short"]
    assert found["reference"].mean == pytest.approx(0.45)
    assert found["reference"].difference is None
    assert better.difference == pytest.approx(0.1)
    assert better.interval == pytest.approx((0.1, 0.1))
    assert (better.marks, better.better) == (2, True)
    assert same.difference == pytest.approx(0, abs=1e-9)
    assert same.marks == 0
    # One common video: a difference, but no interval and no mark.
    assert (short.difference, short.interval, short.marks) == (pytest.approx(0.3), None, 0)


def test_files_of_the_report(store: Path) -> None:
    page = build_ablation(store)
    assert "Question &amp; answer" in page.read_text()
    table = pd.read_csv(page.parent / "ablation.csv")
    line = table[(table["row"] == "better") & (table["backbone"] == ALL)].iloc[0]
    assert line["low"] == pytest.approx(0.1)
    assert (page.parent / "question_answer.png").stat().st_size > 1000
    text = markdown(compare(load_sweep(store)))
    assert "+0.1000, +0.1000 to +0.1000)**" in text
    assert text == (page.parent / "ablation.md").read_text()


def test_a_metric_nobody_has_makes_no_line(store: Path) -> None:
    lines = cells(compare(load_sweep(store)), "Question & answer", ALL)
    assert len(lines) == 2  # nothing was retrieved: only the header and the one metric


def test_a_sweep_that_is_no_experiment_is_refused(store: Path) -> None:
    (store / "experiment.json").unlink()
    with pytest.raises(LongtakeError, match="is no experiment"):
        build_ablation(store)
