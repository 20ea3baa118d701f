"""Filmstrips: a few frames of a video in one small picture, which show drift at a glance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from eval.video.decode import quarter_turns, shown_stream, upright
from harness.core.files import replacing

NUM_FRAMES = 8
HEIGHT_PX = 80
JPEG_QUALITY = 82


def strip_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height of one frame of a strip, in pixels."""
    return max(2, round(HEIGHT_PX * width / height)), HEIGHT_PX


def write_strip(video: Path, target: Path) -> None:
    """Write the strip of a video: `NUM_FRAMES` frames side by side, evenly spaced, as JPEG.

    Each time is represented by the nearest key frame, which decodes without other frames. A video
    with too few key frames is decoded completely.

    Raises:
        av.FFmpegError, OSError, ValueError: `video` is not a readable video.
    """
    frames = list(small_frames(video, keys_only=True))
    if len(frames) < NUM_FRAMES:
        frames = list(small_frames(video, keys_only=False))
    if not frames:
        raise ValueError("no frame could be decoded")
    times = np.array([time for time, _ in frames])
    wanted = np.linspace(times[0], times[-1], NUM_FRAMES)
    nearest = np.abs(times[:, None] - wanted).argmin(axis=0)
    strip = np.concatenate([frames[index][1] for index in nearest], axis=1)
    _, data = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    with replacing(target, durable=False) as fresh:
        fresh.write_bytes(data.tobytes())


def small_frames(video: Path, keys_only: bool) -> Iterator[tuple[float, np.ndarray]]:
    """Yield seconds and BGR pixels of the frames of a video, scaled to strip size."""
    with av.open(str(video)) as container:
        stream = shown_stream(container)
        if stream is None:
            raise ValueError("it has no video stream")
        stream.thread_type = "NONE"
        if keys_only:
            stream.codec_context.skip_frame = "NONKEY"
        for frame in container.decode(stream):
            lies = bool(quarter_turns(frame.rotation) % 2)
            shown = (stream.height, stream.width) if lies else (stream.width, stream.height)
            width, height = strip_size(*shown)
            stored = (height, width) if lies else (width, height)
            small = frame.reformat(*stored, format="bgr24")
            yield float(frame.time or 0.0), upright(small.to_ndarray(), frame.rotation)
