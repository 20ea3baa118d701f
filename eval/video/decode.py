"""Streaming decode of video files to RGB frames.

One pass, a frame at a time, so that memory does not grow with the length of the video.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from harness.core.errors import LongtakeError

_MAY_LACK_S = Fraction(1, 10)
"""Containers round the durations that they announce."""


class VideoDamaged(LongtakeError):
    """A video file that cannot be read, is damaged, or is shorter than it should be."""


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video as it is shown, upright; `fps` is the exact average."""

    num_frames: int
    fps: Fraction
    width: int
    height: int


def probe(path: Path) -> VideoInfo:
    """Return number of frames, frame rate and size of a video, without decoding it.

    Raises:
        VideoDamaged: the file is missing, or is not a video.
    """
    with _open(path) as (container, stream):
        if stream.average_rate is None:
            raise VideoDamaged(f"{path}: the video has no frame rate.")
        # Some containers do not store the number of frames: count the packets that carry one.
        frames = stream.frames or sum(packet.size > 0 for packet in container.demux(stream))
        rate, width, height = Fraction(stream.average_rate), stream.width, stream.height
    with contextlib.suppress(VideoDamaged), _open(path) as (container, stream):
        first = next(container.decode(stream), None)
        if first is not None and quarter_turns(first.rotation) % 2:
            width, height = height, width
    return VideoInfo(frames, rate, width, height)


def count_frames(path: Path) -> int:
    """Decode a video and count its frames; containers often state a wrong number.

    Raises:
        VideoDamaged: the file cannot be read.
    """
    return sum(1 for _ in read_frames(path))


def read_frames(path: Path, num_frames: int | None = None) -> Iterator[np.ndarray]:
    """Decode a video, one frame at a time.

    Args:
        path: the video file.
        num_frames: frames to read; None for all.

    Yields:
        RGB frames, uint8, (height, width, 3), all of one size, turned as the file says.

    Raises:
        VideoDamaged: the file cannot be read, a frame is damaged, the frame size changes, or the
            video ends before `num_frames`.
    """
    decoded = 0
    # Reused, because each new one sets up the colour conversion again.
    reformatter = VideoReformatter()
    with _open(path) as (container, stream):
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            if decoded == num_frames:
                return
            if frame.is_corrupt:
                raise VideoDamaged(f"{path}: frame {decoded} is damaged.")
            if (frame.width, frame.height) != (stream.width, stream.height):
                raise VideoDamaged(f"{path}: the frame size changes at frame {decoded}.")
            yield upright(reformatter.reformat(frame, format="rgb24").to_ndarray(), frame.rotation)
            decoded += 1
    if num_frames is not None and decoded < num_frames:
        raise VideoDamaged(f"{path}: ends after {decoded} frames; expected {num_frames}.")


def upright(frame_HWC: np.ndarray, rotation: int) -> np.ndarray:
    """Turn a picture as players do with a video filmed upright.

    Args:
        frame_HWC: the picture as it is stored.
        rotation: degrees counterclockwise, from the file; only quarter turns are applied.
    """
    turns = quarter_turns(rotation)
    return np.ascontiguousarray(np.rot90(frame_HWC, turns)) if turns else frame_HWC


def quarter_turns(rotation: int) -> int:
    """Return the quarter turns of a rotation in degrees; 0 if it is another angle."""
    turns = round(rotation / 90)
    # As FFmpeg does; PyAV cuts 89.9 degrees to 89.
    return turns if abs(rotation - 90 * turns) <= 1 else 0


def check_whole(path: Path) -> None:
    """Compare what a file announces at its front with what follows.

    MP4, MOV and AVI files have the number of their frames at the front, others their duration, so
    that a file cut short still opens and decodes.

    Raises:
        VideoDamaged: the end is missing.
    """
    with _open(path) as (container, stream):
        of_stream, end_s = 0, Fraction(0)
        for packet in container.demux():
            if packet.size and packet.stream == stream:
                of_stream += 1
            if packet.pts is not None and packet.time_base is not None:
                end_s = max(end_s, (packet.pts + (packet.duration or 0)) * packet.time_base)
        has_index = bool({"mp4", "avi"} & set(container.format.name.split(",")))
        lacking = stream.frames - of_stream if has_index else 0
        announced_s = Fraction(container.duration or 0, av.time_base)
        late_s = Fraction(0) if has_index else announced_s - end_s
        allowed_s = max(_MAY_LACK_S, 2 / Fraction(stream.average_rate or 16))
    if lacking > 0:
        raise VideoDamaged(
            f"{path}: holds {of_stream} of the {stream.frames} frames that its index announces; it "
            "was cut short, copy or make it again."
        )
    if late_s > allowed_s:
        raise VideoDamaged(
            f"{path}: ends at {float(end_s):.2f} of the {float(announced_s):.2f} s that it "
            "announces; it was cut short, copy or make it again."
        )


def shown_stream(container: InputContainer) -> VideoStream | None:
    """Return the video stream that FFmpeg chooses: the default one, else the richest; or None."""
    best = container.streams.best("video")
    return best if isinstance(best, VideoStream) else None


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container and the video stream that it shows; decoder errors become `VideoDamaged`."""
    try:
        with av.open(str(path)) as container:
            stream = shown_stream(container)
            if stream is None:
                raise VideoDamaged(f"{path}: no video stream in this file.")
            yield container, stream
    except av.FFmpegError as error:
        raise VideoDamaged(f"{path}: cannot be read as video: {error.strerror}.") from error
