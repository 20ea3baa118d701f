"""A clip: the piece of a video that networks run on and metrics measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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
        before_FHWC: the frames directly before the clip, for what compares frames over its start:
            about an eighth of a second, at least two; fewer at the start of the video, and none in
            a suite whose clips are encoded again.
        block_frames: video frames of a block after the first; None where that isn't known.
    """

    frames_FHWC: np.ndarray
    start_frame: int
    fps: int
    prompt: str
    segments: tuple[ScoredSegment, ...] = ()
    before_FHWC: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0, 3), np.uint8))
    block_frames: int | None = None

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


def at_ends(clip: Clip, step: int, of_frames: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return what compares frames of a video `step` apart, each value at its pair's later frame.

    The pairs are those of the whole video, (0, step), (step, 2 step) and so on, whatever clips it
    is cut into: the first one that ends in a clip may begin before it.

    Args:
        clip: a clip with the frames before it.
        step: distance of the two frames of a pair.
        of_frames: returns a value per pair, from all frames between the beginning of the first and
            the end of the last.

    Returns:
        (frame,) float64; NaN at frames where no pair ends.
    """
    values_F = np.full(len(clip.frames_FHWC), np.nan)
    first = max(step, -(-clip.start_frame // step) * step) - clip.start_frame
    if first < len(values_F):
        held_FHWC = clip.frames_FHWC
        if len(clip.before_FHWC):
            held_FHWC = np.concatenate([clip.before_FHWC, held_FHWC])
        begin = len(clip.before_FHWC) + first - step
        assert begin >= 0, f"{len(clip.before_FHWC)} frames before a clip, pairs are {step} apart"
        values_F[first::step] = of_frames(held_FHWC[begin:])
    return values_F
