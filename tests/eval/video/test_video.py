from __future__ import annotations

import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from eval.video.decode import VideoDamaged, VideoInfo, check_whole, probe, read_frames
from reports.site.web_video import why_not_playable

WriteVideo = Callable[..., Path]


def test_frames_are_read_back_in_order_and_unchanged(write_video: WriteVideo, make_scene) -> None:
    frames = make_scene().frames(40)
    np.testing.assert_array_equal(list(read_frames(write_video(frames))), frames)


def test_reading_stops_after_the_given_number(write_video: WriteVideo, make_scene) -> None:
    frames = make_scene().frames(40)
    np.testing.assert_array_equal(list(read_frames(write_video(frames), 7)), frames[:7])
    assert len(list(read_frames(write_video(frames), 40))) == 40


@pytest.mark.parametrize("name", ["video.mp4", "video.mkv"])
def test_probe_returns_length_rate_and_size(name: str, write_video: WriteVideo, make_scene) -> None:
    video = write_video(make_scene(height=64, width=80).frames(21), name, fps=24)
    assert probe(video) == VideoInfo(num_frames=21, fps=Fraction(24), width=80, height=64)


def test_video_shorter_than_required_is_an_error(write_video: WriteVideo, make_scene) -> None:
    video = write_video(make_scene().frames(20))
    with pytest.raises(VideoDamaged, match="ends after 20 frames; expected 32"):
        list(read_frames(video, 32))


def test_truncated_file_is_an_error(write_video: WriteVideo, make_scene) -> None:
    video = write_video(make_scene().frames(64))
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(VideoDamaged, match=r"video\.mp4: cannot be read as video"):
        list(read_frames(video, 64))


@pytest.mark.parametrize(
    ("turned", "corner"), [(-90, (0, -1)), (89.6, (-1, 0)), (180, (-1, -1)), (50, (0, 0))]
)
def test_a_video_filmed_upright_is_turned_by_quarters_alone(
    tmp_path: Path, turned: float, corner: tuple[int, int]
) -> None:
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=16)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(turned)
        image = np.zeros((64, 96, 3), np.uint8)
        image[:24, :24] = 255  # the upper left corner as it is stored
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    frame = next(read_frames(path))
    info = probe(path)
    assert (info.width, info.height) == ((96, 64) if turned in (180, 50) else (64, 96))
    assert frame.shape == (info.height, info.width, 3)
    corners = {(y, x): int(frame[y, x, 0]) > 128 for y in (0, -1) for x in (0, -1)}
    assert [place for place, bright in corners.items() if bright] == [corner]


@pytest.mark.parametrize("name", ["video.mp4", "video.mov", "video.mkv", "video.webm", "video.avi"])
def test_whole_files_are_told_from_those_cut_short(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    codec = {".webm": "libvpx", ".avi": "mpeg4"}.get(path.suffix, "libx264")
    movflags = {"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 96, 3)).astype(np.uint8)
    with av.open(str(path), "w", options=movflags) as container:
        stream = container.add_stream(codec, rate=16)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for image in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    check_whole(path)
    assert len(list(read_frames(path))) == 64

    content = path.read_bytes()
    cut = len(content) * 2 // 3
    if path.suffix == ".avi":  # between two frames, where nothing looks damaged
        cut = content.rindex(b"00dc", 0, cut)
    path.write_bytes(content[:cut])
    with pytest.raises(VideoDamaged, match="cut short"):
        check_whole(path)


def test_the_default_track_is_read(tmp_path: Path) -> None:
    path = tmp_path / "video.mkv"
    with av.open(str(path), "w") as container:
        small = container.add_stream("libx264", rate=16)
        large = container.add_stream("libx264", rate=16)
        for stream, size in ((small, 32), (large, 64)):
            stream.height, stream.width, stream.pix_fmt = size, size, "yuv420p"
        small.disposition, large.disposition = Disposition(0), Disposition.default
        for stream, size in ((small, 32), (large, 64)):
            image = np.zeros((size, size, 3), np.uint8)
            for _ in range(5):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
    assert (probe(path).width, probe(path).height) == (64, 64)
    assert next(read_frames(path)).shape == (64, 64, 3)
    assert why_not_playable(path) == "it has several video streams"


def test_damaged_stream_is_an_error(write_video: WriteVideo, make_scene) -> None:
    video = write_video(make_scene().frames(64))
    content = bytearray(video.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    video.write_bytes(content)
    with pytest.raises(VideoDamaged):
        list(read_frames(video, 64))


def test_cut_stream_is_an_error(write_video: WriteVideo, make_scene) -> None:
    """A container without an index at its end is readable up to the cut."""
    video = write_video(make_scene().frames(64), "video.mkv")
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(VideoDamaged):
        list(read_frames(video, 64))


@pytest.mark.parametrize("read", [probe, lambda path: list(read_frames(path))])
def test_files_that_are_no_video_are_errors(read: Callable, tmp_path: Path) -> None:
    with pytest.raises(VideoDamaged, match="No such file"):
        read(tmp_path / "missing.mp4")

    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(VideoDamaged, match=r"text\.mp4: cannot be read as video"):
        read(tmp_path / "text.mp4")

    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    with pytest.raises(VideoDamaged, match="no video stream"):
        read(tmp_path / "sound.wav")


def test_error_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(VideoDamaged) as caught:
        probe(tmp_path / "missing.mp4")
    assert "\n" not in str(caught.value)
