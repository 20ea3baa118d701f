"""The suite without its packages: every dimension that needs one names it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.scoring.scorer import Scorer, Workspace
from eval.scoring.suite import find_suite

SUITE = find_suite("vbench_long")
NEED_NOTHING = {"temporal_flickering"}


@pytest.fixture(autouse=True)
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("vbench", "dreamsim", "clip", "timm", "pyiqa", "open_clip", "torchvision"):
        monkeypatch.setitem(sys.modules, package, None)


def test_every_dimension_is_null_with_the_package_and_the_command(
    write_video: Callable[..., Path], make_scene, tmp_path: Path
) -> None:
    frames = make_scene().frames(77)
    workspace = Workspace(tmp_path / "clips", tmp_path / "features")
    scores = Scorer(SUITE).score(write_video(frames), "a disc", {"4": 77}, "u", None, workspace)
    for name, metric in scores.metrics.items():
        if name in NEED_NOTHING:
            assert metric.reason is None
            continue
        assert metric.durations == {"4": None}
        assert metric.reason is not None
        assert "is not installed; install it with: pip install" in metric.reason
    assert set(scores.not_set_up) == set(SUITE.metrics) - NEED_NOTHING
    assert scores.encoder is not None and scores.encoder.threads == 1
    assert len({clip.sha256 for clip in scores.clips}) == 3
    assert scores.frozen["4"] is not None and not scores.frozen["4"].flag


def test_still_video_is_flagged(write_video: Callable[..., Path], make_scene) -> None:
    frames = make_scene().frames(128)
    frames[40:] = frames[40]
    scores = Scorer(SUITE).score(write_video(frames), "", {"2": 32, "8": 128}, "unit")
    short, whole = scores.frozen["2"], scores.frozen["8"]
    assert short is not None and not short.flag
    assert whole is not None and whole.flag
    assert whole.still_share == 0.5


def test_odd_size_makes_exactly_this_suite_null(
    write_video: Callable[..., Path], make_scene
) -> None:
    video = write_video(make_scene(height=95, width=127).frames(40))
    scores = Scorer(SUITE).score(video, "", {"2": 40}, "unit")
    reasons = {metric.reason for metric in scores.metrics.values()}
    assert any("even width and height; the video is 127x95" in str(reason) for reason in reasons)
    assert all(metric.durations == {"2": None} for metric in scores.metrics.values())
    assert scores.clips == ()
    raw = Scorer(find_suite("flicker_stability")).score(video, "", {"2": 40}, "unit")
    assert raw.metrics["flicker_stability"].durations["2"] is not None


def test_flickering_equals_the_offline_formula_on_the_encoded_clips(
    write_video: Callable[..., Path], make_scene, tmp_path: Path
) -> None:
    from eval.video.decode import read_frames

    workspace = Workspace(tmp_path / "clips", tmp_path / "features")
    video = write_video(make_scene().frames(32))
    scores = Scorer(SUITE).score(video, "", {"2": 32}, "unit", None, workspace)
    clip = np.stack(list(read_frames(tmp_path / "clips" / "unit" / "000000-000032.mp4")))
    difference = np.abs(np.diff(clip.astype(float), axis=0)).mean()
    measured = scores.metrics["temporal_flickering"].durations["2"]
    assert measured == pytest.approx((255 - difference) / 255)
