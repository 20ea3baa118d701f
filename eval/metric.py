"""The contract of a metric: what it is handed of a video and what it returns.

A metric measures one clip (2 s) at a time, so every metric is also a curve over time, and a longer
duration only adds clips. Each metric combines its clip measures into the number of a video.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from eval.clip import Clip
from eval.errors import MetricFailed, MetricUnavailable
from eval.network import Network, Outputs

__all__ = [
    "Clip",
    "ClipMean",
    "ClipMeasure",
    "Combined",
    "Direction",
    "Heading",
    "Kind",
    "Metric",
    "MetricInfo",
    "MetricUnavailable",
    "Network",
    "Outputs",
    "check_arguments",
    "networks_of",
    "opening_networks_of",
]


class Direction(StrEnum):
    """The direction in which a metric's values get better."""

    higher = "higher"
    lower = "lower"  # type: ignore[assignment]  # hides str.lower, meaningless for a direction


class Heading(StrEnum):
    """Headings of columns, in the order of a table; a metric may also declare one of its own."""

    consistency = "Consistency"
    temporal = "Temporal"
    motion = "Motion"
    frame_quality = "Frame quality"
    prompt = "Prompt"
    truth = "Ground truth"
    retrieval = "Retrieval"
    other = "Other"


class Kind(StrEnum):
    """The scale a number belongs to; numbers of different kinds are never ranked together."""

    vbench_long = "VBench-Long"
    vbench_whole = "VBench, whole videos"
    judge = "judged by a model"
    reward = "learned rewards"
    proxy = "proxy metrics"
    truth = "ground truth"
    own = "own metric"


@dataclass(frozen=True)
class MetricInfo:
    """The description of a metric, written into every score file.

    Attributes:
        name: registered name, unique within a suite.
        title: heading of its column.
        direction: which values are better.
        unit: unit of its numbers; empty for none.
        description: one or two sentences for the page.
        heading: the heading of its column, one of `Heading` or any other text.
        kind: the scale its numbers belong to.
        quality: whether a better number is a better video; False for what describes a video, such
            as the amount of motion. A report opens with the first metric of quality.
    """

    name: str
    title: str
    direction: Direction
    unit: str
    description: str
    heading: str = Heading.other
    kind: Kind = Kind.own
    quality: bool = True

    @property
    def higher_is_better(self) -> bool:
        """Return the direction as a flag."""
        return self.direction is Direction.higher

    @property
    def arrow(self) -> str:
        """Return an arrow towards better values; empty for what describes a video."""
        if not self.quality:
            return ""
        return "↑" if self.higher_is_better else "↓"


@dataclass(frozen=True)
class ClipMeasure:
    """The measure of one clip.

    Attributes:
        score: the clip's score.
        feature: unit vector of the whole clip, if later clips are to be compared with the first.
        official: score of the official code, where one of its quirks makes it differ.
    """

    score: float
    feature: np.ndarray | None = None
    official: float | None = None


@dataclass(frozen=True)
class Combined:
    """The number of a video, and the numbers it was computed from."""

    value: float
    parts: Mapping[str, float]


class Metric(Protocol):
    """Measures clips and combines the measures of consecutive clips into one number per video.

    A metric that needs networks declares them as `networks` and is handed their outputs with the
    clip. If it needs networks on the first frames of all clips, which are taken as a clip of their
    own, it declares them as `opening_networks`, and `combine` is handed their outputs.

    Attributes:
        info: name, direction and description.
    """

    info: MetricInfo

    def setup(self) -> None:
        """Check once that everything needed is here; networks load when they are first used.

        Raises:
            MetricUnavailable: something needed is not installed or not found.
        """

    @property
    def measure(self) -> Callable[..., ClipMeasure]:
        """Measure one clip: `measure(clip)`, or `measure(clip, outputs)` with `networks`.

        Raises:
            MetricUnavailable: the metric does not apply to this clip; the text says why.
        """

    @property
    def combine(self) -> Callable[..., float | Combined]:
        """Return the number of a video from the measures of its clips, in order of time.

        `combine(measures)`, or `combine(measures, openings)` with `opening_networks`, where
        openings are `Outputs`, or None for a video of a single clip.
        """

    def curve(self, measures: Sequence[ClipMeasure]) -> Sequence[float | None]:
        """Return one value per clip for the drift curve; None where a clip has none."""


class ClipMean:
    """Base of metrics: the number is the mean over clips, the curve the clip scores.

    A subclass with networks declares them and needs no `setup` of its own.
    """

    networks: tuple[Network, ...] = ()
    opening_networks: tuple[Network, ...] = ()

    def setup(self) -> None:
        """Check for packages and weights of the networks.

        Raises:
            MetricUnavailable: one is missing.
        """
        for network in (*self.networks, *self.opening_networks):
            network.check()

    def combine(self, measures: Sequence[ClipMeasure]) -> float | Combined:
        """Return the mean of the clip scores."""
        return float(np.mean([measure.score for measure in measures]))

    def curve(self, measures: Sequence[ClipMeasure]) -> Sequence[float | None]:
        """Return the clip scores."""
        return [measure.score for measure in measures]


def networks_of(metric: Metric) -> tuple[Network, ...]:
    """Return the networks whose outputs `measure` is handed; () for a metric that declares none."""
    return getattr(metric, "networks", ())


def opening_networks_of(metric: Metric) -> tuple[Network, ...]:
    """Return the networks whose outputs `combine` is handed; () for a metric that declares none."""
    return getattr(metric, "opening_networks", ())


def check_arguments(metric: Metric) -> None:
    """Check that methods take the outputs of the networks that are declared.

    They are `measure` and `combine`, or `score_video` of a metric of whole videos.

    Raises:
        MetricFailed: one takes outputs without declared networks, or the reverse.
    """
    methods = [
        ("measure", "networks", ("clip", "outputs")),
        ("combine", "opening_networks", ("measures", "openings")),
    ]
    if hasattr(metric, "score_video"):
        methods = [("score_video", "networks", ("video", "outputs"))]
    for name, attribute, arguments in methods:
        given = arguments if getattr(metric, attribute, ()) else arguments[:1]
        try:
            inspect.signature(getattr(metric, name)).bind(*given)
        except TypeError as error:
            raise MetricFailed(
                f"`{name}` must take ({', '.join(given)}): a metric with `{attribute}` is handed "
                f"their outputs, any other is not ({error})"
            ) from error
