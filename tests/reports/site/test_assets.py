from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from reports.site.filmstrips import HEIGHT_PX, NUM_FRAMES, write_strip
from reports.site.web_video import copy_playable, why_not_playable


def write(
    path: Path, codec: str = "libx264", pixels: str = "yuv420p", keyint: int = 8, **options: str
) -> Path:
    """40 frames that grow brighter from left to right in time, 48 x 32."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=8)
        stream.width, stream.height, stream.pix_fmt = 48, 32, pixels
        if codec == "libx264":
            stream.options = {"x264-params": f"keyint={keyint}:scenecut=0:threads=1", "crf": "10"}
        for index in range(40):
            image = np.full((32, 48, 3), 20 + 5 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode())
    return path


def brightness(strip: Path) -> np.ndarray:
    picture = cv2.imread(str(strip))
    assert picture is not None
    assert picture.shape == (HEIGHT_PX, NUM_FRAMES * HEIGHT_PX * 48 // 32, 3)
    return picture.reshape(HEIGHT_PX, NUM_FRAMES, -1).mean(axis=(0, 2))


def test_strip_shows_evenly_spaced_frames(tmp_path: Path) -> None:
    write_strip(write(tmp_path / "a.mp4"), tmp_path / "strips" / "a.jpg")
    found = brightness(tmp_path / "strips" / "a.jpg")
    # Five key frames are too few for eight pictures, so all frames are decoded.
    assert found == pytest.approx(np.linspace(20, 20 + 5 * 39, NUM_FRAMES), abs=6)
    assert len(list((tmp_path / "strips").iterdir())) == 1


def test_strip_of_many_key_frames_decodes_only_those(tmp_path: Path) -> None:
    # Key frames at frames 0, 4, .. 36: the last strip frame is the last of them.
    write_strip(write(tmp_path / "a.mp4", keyint=4), tmp_path / "a.jpg")
    found = brightness(tmp_path / "a.jpg")
    nearest = 4 * np.round(np.linspace(0, 9, NUM_FRAMES))
    assert found == pytest.approx(20 + 5 * nearest, abs=6)


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_files_that_are_no_video_have_no_strip(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "a.mp4"
    broken.write_bytes(content)
    with pytest.raises((av.FFmpegError, ValueError)):
        write_strip(broken, tmp_path / "a.jpg")
    assert not (tmp_path / "a.jpg").exists()


def test_video_with_fast_start_is_copied_byte_by_byte(tmp_path: Path) -> None:
    video = write(tmp_path / "a.mp4", movflags="+faststart")
    assert why_not_playable(video) is None
    copy_playable(video, tmp_path / "copy" / "a.mp4")
    assert (tmp_path / "copy" / "a.mp4").read_bytes() == video.read_bytes()


def test_index_at_the_end_is_moved_without_encoding(tmp_path: Path) -> None:
    video = write(tmp_path / "a.mp4")
    assert why_not_playable(video) == "its index is at the end (no fast start)"
    copy_playable(video, tmp_path / "b.mp4")
    assert why_not_playable(tmp_path / "b.mp4") is None
    assert frames(tmp_path / "b.mp4").tobytes() == frames(video).tobytes()


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "said"),
    [
        ("a.avi", "mpeg4", "yuv420p", "its codec is mpeg4, not H.264"),
        ("a.mp4", "libx264", "yuv444p", "its pixels are yuv444p, not yuv420p"),
    ],
)
def test_videos_that_browsers_do_not_play_are_encoded_again(
    tmp_path: Path, name: str, codec: str, pixels: str, said: str
) -> None:
    video = write(tmp_path / name, codec, pixels)
    assert why_not_playable(video) == said
    copy_playable(video, tmp_path / "b.mp4")
    assert why_not_playable(tmp_path / "b.mp4") is None
    assert frames(tmp_path / "b.mp4") == pytest.approx(frames(video), abs=20)


def frames(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack(
            [f.to_ndarray(format="gray").astype(float) for f in container.decode(video=0)]
        )
