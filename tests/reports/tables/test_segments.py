"""Means by segment of a script, and the triple of VBench-Long's dimensions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.vbench_long.dataset import DIMENSIONS
from harness.store.frames import load_sweep
from reports.site.segments import segment_lines
from reports.tables.comparison import compare_all
from reports.tables.segments import segment_means
from tests.reports.synthetic import add_vbench_suite

SEGMENTS = [{"start_frame": 0, "prompt": "a fox"}, {"start_frame": 153, "prompt": "a boat"}]


def add_segments(store: Path, suite: str, values: dict[str, list[float | None]]) -> None:
    for path in (store / "metrics" / suite).glob("*.json"):
        content = json.loads(path.read_text()) | {"segments": SEGMENTS}
        for name, numbers in values.items():
            content["metrics"][name]["segments"] = numbers
        content.pop("sha256", None)
        path.write_text(json.dumps(content))


def test_a_video_without_a_number_is_not_counted(store: Path) -> None:
    add_segments(store, "offline", {"subject": [0.5, 0.25], "flicker": [None, 3]})
    sweep = load_sweep(store)
    means = segment_means(sweep, compare_all(sweep))
    line = segment_lines(means)["offline"]["subject"][0]
    assert [(c.segment, c.start_s, c.mean, c.stderr) for c in line.cells] == [
        (1, 0, 0.5, 0),
        (2, 153 / 16, 0.25, 0),
    ]
    lines = segment_lines(means)["offline"]["flicker"]
    (flicker,) = {tuple(cell.segment for cell in line.cells) for line in lines}
    assert flicker == (2,)
    assert set(means["metric"]) == {"subject", "flicker"}


def test_the_triple_needs_all_its_dimensions(store: Path) -> None:
    add_vbench_suite(store)
    both = {"subject_consistency": [0.9, 0.8], "background_consistency": [0.7, 0.8]}
    add_segments(store, "vbench_long", both)
    sweep = load_sweep(store)
    names = set(segment_means(sweep, compare_all(sweep))["metric"])
    assert names == {*both, "consistency"}
    add_segments(store, "vbench_long", {name: [0.9, 0.8] for name in DIMENSIONS})
    sweep = load_sweep(store)
    means = segment_means(sweep, compare_all(sweep))
    second = means[means["segment"] == 1].groupby("metric")["mean"].first()
    assert second[["consistency", "aesthetic"]].tolist() == pytest.approx([0.8, 0.8])
    # (0.8 - min) / (max - min) by dimension of docs/metrics.md, dynamic degree half.
    normal = [
        (0.8 - low) / (high - low)
        for low, high in ((0.1462, 1), (0.2615, 1), (0.6293, 1), (0.706, 0.9975), (0, 1), (0, 1))
    ]
    assert second["quality"] == pytest.approx((sum(normal) + 0.5 * 0.8) / 6.5)


def test_without_scripts_there_is_nothing(store: Path) -> None:
    sweep = load_sweep(store)
    assert segment_lines(segment_means(sweep, compare_all(sweep))) == {}
