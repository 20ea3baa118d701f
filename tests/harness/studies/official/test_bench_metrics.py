"""`bench-metrics` where the packages of VBench-Long are not installed, and its arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.eval.conftest import Scene, encode


def test_missing_packages_are_named_by_dimension(cli, tmp_path: Path) -> None:
    video = encode(tmp_path / "video.mp4", np.asarray(Scene(height=72, width=88).frames(8)), 4)
    result = cli("dev", "bench-metrics", f"video={video}", "duration=2", "threads=1")
    assert result.code == 2
    assert result.err.startswith("error: subject_consistency: ")
    assert "not installed" in result.err


def test_arguments_are_checked(cli, tmp_path: Path) -> None:
    for arguments, said in (
        ([], "Missing option '--video'"),
        ([f"video={tmp_path / 'none.mp4'}"], "none.mp4"),
        (["video=a.mp4", "duration=0"], "expected positive numbers"),
        (["video=a.mp4", "durations=4"], "Did you mean 'duration'"),
    ):
        result = cli("dev", "bench-metrics", *arguments)
        assert result.code == 2 and said in result.err, result.err
