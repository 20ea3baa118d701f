"""A clip: the piece of a video that networks run on and metrics measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.errors import MetricUnavailable


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

    def require_frames(self, number: int) -> None:
        """Refuse a clip with fewer frames.

        Raises:
            MetricUnavailable: it has fewer.
        """
        if len(self.frames_FHWC) < number:
            raise MetricUnavailable(
                f"a clip of {len(self.frames_FHWC)} frames is too short; expected at least {number}"
            )

    def require_prompt(self) -> None:
        """Refuse a clip without a prompt.

        Raises:
            MetricUnavailable: there is none.
        """
        if not self.prompt.strip():
            raise MetricUnavailable("needs a prompt, and the video has none")
