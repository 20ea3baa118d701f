"""The contract of a metric: what it sees of a video and what it gives back.

A metric measures one clip (2 s) at a time, so every metric is also a curve over time, and a longer
duration only adds clips. How clip measures become the number of a video is the metric's own matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np

from eval.networks.outputs import Outputs
from harness.core.errors import LongtakeError

if TYPE_CHECKING:
    from eval.networks.network import Network


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
        outputs: what networks made of the clip so far.
    """

    frames_FHWC: np.ndarray
    start_frame: int
    fps: int
    prompt: str
    outputs: Outputs = field(default_factory=Outputs, repr=False, compare=False)

    def output(self, network: Network) -> np.ndarray:
        """What `network` makes of this clip; computed once, however many metrics ask.

        Raises:
            MetricUnavailable: the network failed on this clip, with the reason.
        """
        return self.outputs.of(network, self)


@dataclass(frozen=True)
class ClipMeasure:
    """What a metric keeps of a clip.

    Attributes:
        score: the clip's score.
        feature: a unit vector of the whole clip, when later clips are compared with the first.
        official: the score that the official code gives, where one of its quirks makes it differ.
    """

    score: float
    feature: np.ndarray | None = None
    official: float | None = None


class Measures(tuple[ClipMeasure, ...]):
    """The measures of the clips of one duration, in order of time.

    Attributes:
        openings: the first frames of these clips as a clip of their own; None unless the metric has
            `opening_networks`, or for a single clip.
    """

    openings: Clip | None = None


@dataclass(frozen=True)
class Combined:
    """The number of a video, and the numbers it was made of."""

    value: float
    parts: Mapping[str, float]


class Metric(Protocol):
    """Measures clips and combines the measures of consecutive clips into one number per video."""

    info: MetricInfo

    def setup(self) -> None:
        """Look for what is needed, once; networks load when they are first used.

        Raises:
            MetricUnavailable: something needed is not installed or not found.
        """

    def measure(self, clip: Clip) -> ClipMeasure:
        """Measure one clip.

        Raises:
            MetricUnavailable: the metric does not apply to this video, with the reason.
        """

    def combine(self, measures: Sequence[ClipMeasure]) -> float | Combined:
        """The number of a video whose clips gave `measures` (a `Measures`), in order of time."""

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float]:
        """One value per clip, for the drift curve."""


class ClipMean:
    """Base of the metrics whose number is the plain mean over clips."""

    def setup(self) -> None:
        """Nothing to load."""

    def combine(self, measures: Sequence[ClipMeasure]) -> float | Combined:
        """Mean of the clip scores."""
        return float(np.mean([measure.score for measure in measures]))

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float]:
        """The clip scores themselves."""
        return [measure.score for measure in measures]


def networks_of(metric: Metric) -> tuple[Network, ...]:
    """The networks whose outputs `measure` asks for; a metric without any needs no attribute."""
    return getattr(metric, "networks", ())


def opening_networks_of(metric: Metric) -> tuple[Network, ...]:
    """The networks whose outputs `combine` asks of the openings."""
    return getattr(metric, "opening_networks", ())
