"""The scores of one video by one suite, as a run store keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from eval.clip import ScoredSegment
from eval.metric import MetricInfo
from eval.scoring.drift import Drift
from eval.scoring.looping import Looping
from eval.scoring.stillness import Stillness
from eval.video.reencode import ClipEncoder


@dataclass(frozen=True)
class ScoredClip:
    """One clip: frames and seconds, the end not included, and sha256 of its RGB bytes."""

    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    sha256: str


@dataclass(frozen=True)
class ScoredDuration:
    """One duration: the frames it has from the start, and its clips as indices into `clips`."""

    num_frames: int
    clips: tuple[int, ...]


@dataclass(frozen=True)
class ScoredMetric:
    """The result of one metric.

    Attributes:
        info: what the metric is.
        reason: why values are missing; None when all are there.
        clip_scores: one per clip, None where the metric failed; None when it failed on all.
        curve: one value per clip for the drift curve, or None likewise.
        durations: the number of each duration, or None.
        parts: what the number of a duration was made of, for the metrics that say so.
        first_similarity: of each clip's feature to the first clip's, where the metric keeps any.
        drift: how the curve runs, by duration; None for too few clips.
        official_clip_scores: where a quirk of the official code gives other clip scores.
        segments: mean of the curve over each segment of `Scores.segments`, in the longest duration.
    """

    info: MetricInfo
    reason: str | None
    clip_scores: tuple[float | None, ...] | None
    curve: tuple[float | None, ...] | None
    durations: Mapping[str, float | None]
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    first_similarity: tuple[float | None, ...] | None = None
    drift: Mapping[str, Drift | None] = field(default_factory=dict)
    official_clip_scores: tuple[float | None, ...] | None = None
    segments: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Scores:
    """All scores of one video by one suite.

    Attributes:
        fps: frames per second, rounded down as for the clip split.
        not_set_up: metrics that are null because something wasn't installed, as the suite names
            them; worth another try once it is.
        clips: union of the clips of all durations, by start and end.
        timings_s: "decode" (with hashing and encoding of clips), networks as "network NAME", and
            measuring and combining by metric.
        frozen: whether the video stands still, by duration; None if its motion is unknown.
        looping: whether the video returns to its first frame, by duration; None for one clip.
        encoder: what encoded the clips; None where the video's own frames were scored.
        networks: key (version, digest of the weights, device) of the networks that were used.
        segments: where the prompt changes; empty for a single prompt.
        failed: metrics that raised an error or broke their contract, with the first reason.
    """

    SCHEMA: ClassVar[int] = 2

    suite: str
    suite_version: str
    unit_id: str
    video_sha256: str
    prompt: str
    fps: int
    clips: tuple[ScoredClip, ...]
    durations: Mapping[str, ScoredDuration]
    metrics: Mapping[str, ScoredMetric]
    not_set_up: tuple[str, ...]
    timings_s: Mapping[str, float]
    frozen: Mapping[str, Stillness | None] = field(default_factory=dict)
    looping: Mapping[str, Looping | None] = field(default_factory=dict)
    encoder: ClipEncoder | None = None
    networks: Mapping[str, str] = field(default_factory=dict)
    segments: tuple[ScoredSegment, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    def stands_still(self, duration: str) -> bool:
        """Return whether the video is known to stand still over a duration."""
        found = self.frozen.get(duration)
        return found is not None and found.flag
