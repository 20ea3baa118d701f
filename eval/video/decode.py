"""Streaming decode of video files to RGB frames.

One pass, a frame at a time, so that memory does not grow with the length of the video.
"""

from __future__ import annotations

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


class VideoDamaged(LongtakeError):
    """A video file that cannot be read, is damaged, or is shorter than it should be."""


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video stream as the container states them; `fps` is the exact average."""

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
        return VideoInfo(frames, Fraction(stream.average_rate), stream.width, stream.height)


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
        RGB frames, uint8, (height, width, 3), all of one size.

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
            yield reformatter.reformat(frame, format="rgb24").to_ndarray()
            decoded += 1
    if num_frames is not None and decoded < num_frames:
        raise VideoDamaged(f"{path}: ends after {decoded} frames; expected {num_frames}.")


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container and its first video stream; decoder errors become `VideoDamaged`."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoDamaged(f"{path}: no video stream in this file.")
            yield container, container.streams.video[0]
    except av.FFmpegError as error:
        raise VideoDamaged(f"{path}: cannot be read as video: {error.strerror}.") from error
