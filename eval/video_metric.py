"""The contract of a metric that sees a whole video at once: its file, its frames or its latents.

Clips are not measured, so such a metric has no curve, and a longer duration is another question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.clip import ScoredSegment
from eval.metric import (
    Clip,
    ClipMean,
    ClipMeasure,
    Combined,
    MetricInfo,
    MetricUnavailable,
)
from eval.video.decode import read_frames


@dataclass(frozen=True)
class WholeVideo:
    """A video over one duration.

    Attributes:
        path: its file.
        num_frames: frames of the duration, from the start.
        is_whole: whether these are all frames of the file.
        fps: frames per second, rounded down.
        prompt: evaluation prompt, of the first segment.
        segments: where the prompt changes; empty for a single prompt.
        latents: safetensors file of its clean latent frames; None where none were kept.
    """

    path: Path
    num_frames: int
    is_whole: bool
    fps: int
    prompt: str
    segments: tuple[ScoredSegment, ...] = ()
    latents: Path | None = None

    def frames(self) -> Iterator[np.ndarray]:
        """Decode the frames of the duration one by one: (height, width, 3), RGB, uint8."""
        return read_frames(self.path, self.num_frames)


class VideoMetric(ClipMean):
    """Base of metrics that see whole videos; a subclass has `info` and writes `score_video`.

    One with `networks` also writes `chosen_frames`: the networks see those frames as one clip, and
    `score_video(video, outputs)` is handed what they return.
    """

    info: MetricInfo

    def chosen_frames(self, num_frames: int) -> Sequence[int]:
        """Return which of the frames of a duration the networks see, in order."""
        raise NotImplementedError

    def score_video(self, video: WholeVideo) -> float | Combined:
        """Return the number of a video.

        Raises:
            MetricUnavailable: the metric does not apply to this video; the text says why.
        """
        raise NotImplementedError

    def measure(self, clip: Clip) -> ClipMeasure:
        """Refuse a clip.

        Raises:
            MetricUnavailable: always.
        """
        raise MetricUnavailable("the metric sees whole videos, not clips")
