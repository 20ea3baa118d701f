"""Videos side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval.video.decode import probe, read_frames
from harness.core.errors import LongtakeError
from harness.run.video_writer import VideoWriter
from harness.store.frames import load_sweeps
from reports.papers.grid import LabelledVideo, choose_videos, write_grid

GREYS = (40, 120, 200)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledVideo]:
    """Grey videos of 4, 8 and 8 frames, the last at half the frame rate."""
    folder = tmp_path_factory.mktemp("videos")
    found = []
    for grey, frames, fps in zip(GREYS, (4, 8, 8), (8, 8, 4), strict=True):
        path = folder / f"{grey}.mp4"
        with VideoWriter(path, fps, 64, 32) as writer:
            ramp = np.arange(frames)[:, None, None, None] * 2 + grey
            writer.write(np.broadcast_to(ramp, (frames, 32, 64, 3)).astype(np.uint8))
        found.append(LabelledVideo(path, f"grau {grey} <ä>"))
    return found


def test_each_video_has_its_place_and_its_time(videos: list[LabelledVideo], tmp_path: Path) -> None:
    target = tmp_path / "new" / "grid.mp4"
    write_grid(videos, target, height_px=32)
    info = probe(target)
    assert (info.width, info.height) == (128, 2 * (32 + 24))
    frames = list(read_frames(target))
    assert len(frames) == 16  # two seconds, at the rate of the first
    for index, shown in ((0, (0, 0, 0)), (15, (3, 7, 7))):
        middles = [frames[index][y, x, 0] for y, x in ((40, 32), (40, 96), (96, 32))]
        expected = [grey + 2 * frame for grey, frame in zip(GREYS, shown, strict=True)]
        assert np.allclose(middles, expected, atol=4)
    label = frames[0][:24, :64]
    assert label.max() > 200 > 100 > label.min()
    assert [path.name for path in target.parent.iterdir()] == ["grid.mp4"]


def test_webp_is_animated(videos: list[LabelledVideo], tmp_path: Path) -> None:
    target = tmp_path / "grid.webp"
    write_grid(videos[:2], target, columns=2, height_px=32, duration_s=0.5)
    data = target.read_bytes()
    assert data[8:12] == b"WEBP" and b"ANIM" in data and data.count(b"ANMF") > 1


def test_other_files_are_refused(videos: list[LabelledVideo], tmp_path: Path) -> None:
    with pytest.raises(LongtakeError, match=r"written as \.mp4 or \.webp"):
        write_grid(videos, tmp_path / "grid.gif")
    (tmp_path / "torn.mp4").write_text("no video")
    with pytest.raises(LongtakeError, match="cannot be read"):
        write_grid([LabelledVideo(tmp_path / "torn.mp4", "")], tmp_path / "grid.mp4")
    assert not (tmp_path / "grid.mp4").exists()


def test_labels_with_commas_are_chosen_by_name(pristine_store: Path) -> None:
    loaded = load_sweeps([pristine_store])
    label = "rag, layout=aged"
    methods = loaded.units["method"].astype("str").replace("rag layout=aged", label)
    units = loaded.units.assign(method=methods)
    sweep = replace(loaded, units=units)
    chosen = choose_videos(sweep, backbones=["tiny_short"], methods=[label, "random"])
    assert sorted(video.label for video in chosen.shown) == [label, "random"]
    with pytest.raises(LongtakeError, match="rag"):
        choose_videos(sweep, methods=["rag"])
