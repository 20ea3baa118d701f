from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.metric import MetricUnavailable
from eval.video.decode import probe, read_frames
from eval.video.reencode import ClipFiles, encode, official_encoder
from eval.video.split import plan_clips
from harness.core.errors import LongtakeError

DATA = Path(__file__).parents[1] / "data" / "vbench_long"


def frames_of(path: Path) -> np.ndarray:
    return np.stack(list(read_frames(path)))


def test_clips_are_cut_and_encoded_as_the_official_code_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorded clips were written by two threads; frames are compared, not bytes."""
    monkeypatch.setenv("LONGTAKE_X264_THREADS", "2")
    video = DATA / "blue squares-0.mp4"
    plan = plan_clips({"4": probe(video).num_frames}, clip_frames=32)
    clips = list(ClipFiles(tmp_path, video, "sha", 16).read(plan.spans, plan.num_frames))
    for number, clip in enumerate(clips):
        recorded = frames_of(DATA / f"blue squares-0_00{number}.mp4")
        assert clip.shape == recorded.shape
        # Another build of x264 may decide a little differently.
        assert np.abs(clip.astype(int) - recorded).mean() < 0.5
    assert len(clips) == 2


def test_openings_are_encoded_as_the_official_code_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGTAKE_X264_THREADS", "2")
    firsts = np.stack([frames_of(DATA / f"blue squares-0_00{i}.mp4")[0] for i in (0, 1)])
    made = ClipFiles(tmp_path, DATA / "blue squares-0.mp4", "sha", 16).openings("openings", firsts)
    recorded = frames_of(DATA / "openings.mp4")
    assert np.abs(made.astype(int) - recorded).mean() < 0.5


def test_clips_are_kept_and_only_changed_ones_are_encoded_again(
    tmp_path: Path, write_video: Callable[..., Path], make_scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = make_scene().frames(77)
    video = write_video(frames)
    folder = tmp_path / "clips"
    plan = plan_clips({"4": 77}, clip_frames=32)

    def read(sha256: str = "one") -> list[np.ndarray]:
        return list(ClipFiles(folder, video, sha256, 16).read(plan.spans, plan.num_frames))

    first = read()
    names = ["000000-000032.mp4", "000032-000064.mp4", "000045-000077.mp4"]
    assert sorted(path.name for path in folder.glob("*.mp4")) == names
    notes = json.loads((folder / "clips.json").read_text())
    assert notes["encoder"]["codec"] == "libx264" and notes["encoder"]["threads"] == 1
    times = {name: (folder / name).stat().st_mtime_ns for name in names}
    video.unlink()  # not needed any more
    for before, again in zip(first, read(), strict=True):
        np.testing.assert_array_equal(before, again)

    write_video(frames)
    (folder / names[1]).write_bytes(b"damaged")
    np.testing.assert_array_equal(read()[1], first[1])
    changed = {name for name in names if (folder / name).stat().st_mtime_ns != times[name]}
    assert changed == {names[1]}
    read("other video")
    assert all((folder / name).stat().st_mtime_ns != times[name] for name in names)


def test_odd_sizes_cannot_be_encoded(tmp_path: Path) -> None:
    frames = np.zeros((4, 96, 129, 3), np.uint8)
    with pytest.raises(MetricUnavailable, match="even width and height; the video is 129x96"):
        encode(tmp_path / "clip.mp4", frames, 16, official_encoder())
    assert list(tmp_path.iterdir()) == []


def test_number_of_threads_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGTAKE_X264_THREADS", "-1")
    with pytest.raises(LongtakeError, match="expected a whole number"):
        official_encoder()
