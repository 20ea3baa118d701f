"""A clip: the piece of a video that networks run on and metrics measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScoredSegment:
    """One segment: its first video frame, and the prompt that its clips are compared with."""

    start_frame: int
    prompt: str


@dataclass(frozen=True)
class Clip:
    """A short run of consecutive video frames.

    Attributes:
        frames_FHWC: RGB, uint8.
        start_frame: index of the first frame in the video.
        fps: frames per second of the video.
        prompt: evaluation prompt of the video, or of the segment that holds the clip's middle.
        segments: all segments of the video; empty for a single prompt.
    """

    frames_FHWC: np.ndarray
    start_frame: int
    fps: int
    prompt: str
    segments: tuple[ScoredSegment, ...] = ()
