"""The contract of a metric: what it sees of a video and what it gives back.

A metric measures one clip (2 s) at a time, so every metric is also a curve over time, and a longer
duration only adds clips. How clip measures become the number of a video is the metric's own matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from harness.errors import LongtakeError


class Direction(StrEnum):
    """Which values of a metric are better."""

    higher = "higher"
    lower = "lower"  # type: ignore[assignment]  # hides str.lower, meaningless for a direction


class MetricUnavailable(LongtakeError):
    """The metric cannot be computed here; the text is the reason shown beside the null."""


@dataclass(frozen=True)
class MetricInfo:
    """What people read about a metric; written into every result file."""

    name: str
    title: str
    direction: Direction
    unit: str
    description: str


@dataclass(frozen=True)
class Clip:
    """A short run of consecutive video frames.

    Attributes:
        frames_FHWC: RGB, uint8.
        start_frame: index of the first frame in the video.
        fps: frames per second of the video.
        prompt: the evaluation prompt of the video.
    """

    frames_FHWC: np.ndarray
    start_frame: int
    fps: int
    prompt: str


@dataclass(frozen=True)
class ClipMeasure:
    """What a metric keeps of a clip: its score, and a feature when clips are compared later."""

    score: float
    feature: np.ndarray | None = None


class Metric(Protocol):
    """Measures clips and combines the measures of consecutive clips into one number per video."""

    info: MetricInfo

    def setup(self) -> None:
        """Load weights once.

        Raises:
            MetricUnavailable: something needed is not installed or not found.
        """

    def measure(self, clip: Clip) -> ClipMeasure:
        """Measure one clip.

        Raises:
            MetricUnavailable: the metric does not apply to this video, with the reason.
        """

    def combine(self, measures: Sequence[ClipMeasure]) -> float:
        """The number of a video whose clips gave `measures`, in order of time."""

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float]:
        """One value per clip, for the drift curve."""


class ClipMean:
    """Base of the metrics whose number is the plain mean over clips."""

    def setup(self) -> None:
        """Nothing to load."""

    def combine(self, measures: Sequence[ClipMeasure]) -> float:
        """Mean of the clip scores."""
        return float(np.mean([measure.score for measure in measures]))

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float]:
        """The clip scores themselves."""
        return [measure.score for measure in measures]
