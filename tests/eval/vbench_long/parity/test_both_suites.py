"""A sweep of the embedded backbone, scored by both suites."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.vbench_long import layout
from harness.__main__ import main


def test_the_embedded_backbone_is_scored_by_both_suites(
    weights: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights(*layout.ALL_FILES)
    monkeypatch.chdir(tmp_path)
    settings = ("backbone=street", "method=sliding_window", "prompts.num=1", "duration=0.75")
    one_step = "backbone.denoising_step_list=[1000]"
    assert main(["sweep", "name=both", *settings, one_step, "suite=[]", "--no-report"]) == 0
    suites = ("offline", "vbench_long")
    assert main(["eval", "sweep=both", f"suite={','.join(suites)}", "duration=0.75"]) == 0
    for suite in suites:
        (path,) = (tmp_path / "runs" / "both" / "metrics" / suite).glob("*.json")
        metrics = json.loads(path.read_text())["metrics"]
        missing = {name for name, metric in metrics.items() if metric["durations"]["0.75"] is None}
        # It compares later clips with the first, and 0.75 s are a single one.
        assert missing == ({"sharpness_retention"} if suite == "offline" else set())
    (row,) = json.loads((tmp_path / "runs/both/metrics/vbench_long.rows.json").read_text())
    assert row["final"]["per_video"]["quality"] is not None
    assert main(["report", "sweep=both"]) == 0
    front = (tmp_path / "runs/both/report/data/site.js").read_text()
    assert "aesthetic_quality" in front and "flicker_stability" in front
