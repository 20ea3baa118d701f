"""`bench-metrics` with our code running and the official code, which other tests run, replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.vbench_long import layout
from harness.studies.official.bench import bench_metrics
from tests.eval.conftest import Scene, encode

# One without a network, one whose video score needs a second network, and the largest network.
# It loads the networks of all dimensions three times.
DIMENSIONS = ("subject_consistency", "temporal_flickering", "overall_consistency")


def test_both_score_the_same_clips_and_ours_serves_all_durations_at_once(
    weights: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights(layout.DINO_B16, layout.DINOV2_B14, layout.VICLIP)
    for module in ("harness.studies.official.bench", "eval.vbench_long.dataset"):
        monkeypatch.setattr(f"{module}.DIMENSIONS", DIMENSIONS)
    handed_over: list[list[str]] = []

    def official(
        videos: Mapping[str, tuple[Path, Sequence[Path]]],
        dimensions: Sequence[str],
        device: str,
        threads: int,
    ) -> dict[str, Any]:
        ((_, clips),) = videos.values()
        assert all(clip.is_file() for clip in clips)
        handed_over.append([clip.name for clip in clips])
        scores = {name: [0.5, []] for name in dimensions}
        costs = {"cpu_s": dict.fromkeys(dimensions, 8.0), "total_cpu_s": 80.0}
        return scores | costs | {"peak_rss_mib": 4000.0}

    monkeypatch.setattr("harness.studies.official.bench.run_official", official)
    # 2 frames per second: clips of 4 frames, the fewest from which every dimension has a number.
    frames = Scene(seed=3, height=72, width=88).frames(6)
    video = encode(tmp_path / "video.mp4", frames, 2)
    result = bench_metrics(video, [3, 2], threads=1, device="cpu", on_step=lambda step: None)

    first, second = "000000-000004.mp4", "000002-000006.mp4"
    assert handed_over == [[first], [first, second]]
    assert [(row.label, row.num_clips, row.official_s) for row in result.totals] == [
        ("2 s", (1, 1), 80.0),
        ("3 s", (2, 2), 80.0),
        ("all of them", (3, 2), 160.0),
    ]
    assert [row.dimension for row in result.dimensions] == list(DIMENSIONS)
    for row in result.dimensions:
        assert (row.official_s, row.official) == (8.0, 0.5)
        assert row.ours_s > 0 and -1 <= row.ours <= 1
    longest = result.totals[1]
    assert sum(row.ours_s for row in result.dimensions) < longest.ours_s
    # No network that is loaded may push the process beyond what the docs promise.
    assert max(row.ours_mib for row in result.totals) < 3 * 1024
