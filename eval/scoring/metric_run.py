"""One metric on one video. A failure is recorded as a reason and does not stop other metrics."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from eval.clip import ScoredSegment
from eval.errors import MetricFailed
from eval.metric import (
    Clip,
    ClipMeasure,
    Combined,
    Metric,
    MetricUnavailable,
    Outputs,
    networks_of,
    opening_networks_of,
)
from eval.scoring.drift import Drift, drift, similarity
from eval.scoring.results import ScoredClip, ScoredDuration, ScoredMetric
from eval.scoring.segments import segment_means
from eval.video_metric import VideoMetric, WholeVideo
from harness.core.devices import device_lost
from harness.core.disk import disk_error
from harness.core.errors import LongtakeError


@dataclass(frozen=True)
class ScoredSpan:
    """The clips and durations of a video that are scored.

    Attributes:
        clips: union of the clips of all durations.
        durations: frames and clips of each duration.
        segments: where the prompt changes; empty for a single prompt.
        video: returns the video over a duration, for metrics that see it as a whole.
        openings: returns the outputs on a duration's openings, the first frames of its clips taken
            as a clip; None for a single clip. Called only for metrics with `opening_networks`.
        chosen: returns the outputs on the frames of a duration that a metric of whole videos chose.
            Called only for those with `networks`.
    """

    clips: tuple[ScoredClip, ...]
    durations: dict[str, ScoredDuration]
    segments: tuple[ScoredSegment, ...]
    video: Callable[[str], WholeVideo]
    openings: Callable[[str], Outputs | None]
    chosen: Callable[[str, VideoMetric], Outputs]


class MetricRun:
    """The measures of one metric on one video so far, or the reason why it cannot be computed.

    Args:
        metric: the metric, set up.
        reason: why it could not be set up, or None.

    Attributes:
        failure: the first error after which the video is worth scoring again; see `is_failure`.
        seconds: time spent.
    """

    def __init__(self, metric: Metric, reason: str | None) -> None:
        self.metric = metric
        self.seconds = 0.0
        self.failure: str | None = None
        self._reason = reason
        self._measures: list[ClipMeasure | str] = []  # the reason, for a clip that failed

    @property
    def alive(self) -> bool:
        """Tell if the metric can still be computed."""
        return self._reason is None

    def measure(self, clip: Clip, outputs: Outputs) -> None:
        """Measure the next clip; a clip that fails leaves a gap.

        Args:
            clip: the clip.
            outputs: of the networks of all metrics; the metric is handed those it declares.
        """
        if self._reason is not None or isinstance(self.metric, VideoMetric):
            return
        started = perf_counter()
        try:
            networks = networks_of(self.metric)
            if networks:
                measure = self.metric.measure(clip, outputs.of(networks))
            else:
                measure = self.metric.measure(clip)
            self._measures.append(_checked_measure(measure))
        except Exception as error:
            self._measures.append(f"clip at frame {clip.start_frame}: {self._noted(error)}")
        self.seconds += perf_counter() - started

    def finish(self, span: ScoredSpan) -> ScoredMetric:
        """Combine the measures of each duration into the metric's result."""
        started = perf_counter()
        if isinstance(self.metric, VideoMetric) and self._reason is None:
            scored = self._score_videos(self.metric, span)
            self.seconds += perf_counter() - started
            return scored
        measured = [m for m in self._measures if isinstance(m, ClipMeasure)]
        if self._reason is None and not measured:
            # All clips failed, usually for one reason: the metric does not apply to this video.
            self._reason = str(self._measures[0]).partition(": ")[2]
        scored = self._null(span) if self._reason is not None else self._combine(span, measured)
        self.seconds += perf_counter() - started
        return scored

    def _score_videos(self, metric: VideoMetric, span: ScoredSpan) -> ScoredMetric:
        numbers: dict[str, float | None] = {}
        parts: dict[str, dict[str, float]] = {}
        reasons: list[str] = []
        score_video: Callable[..., float | Combined] = metric.score_video
        for name in span.durations:
            try:
                outputs = (span.chosen(name, metric),) if networks_of(metric) else ()
                combined = _checked_number(score_video(span.video(name), *outputs))
            except Exception as error:
                numbers[name] = None
                reasons.append(f"duration {name}: {self._noted(error)}")
                continue
            numbers[name] = combined.value
            if combined.parts:
                parts[name] = dict(combined.parts)
        reason = "; ".join(dict.fromkeys(reasons)) or None
        return ScoredMetric(metric.info, reason, None, None, numbers, parts)

    def _combine(self, span: ScoredSpan, measured: list[ClipMeasure]) -> ScoredMetric:
        try:
            values = [
                None if value is None else _finite(value, "curve")
                for value in self.metric.curve(measured)
            ]
            if len(values) != len(measured):
                raise MetricFailed(f"{len(values)} curve values, {len(measured)} clips")
        except Exception as error:
            self._reason = self._noted(error)
            return self._null(span)
        curve = self._with_gaps(values)
        similarities = self._first_similarities()
        numbers: dict[str, float | None] = {}
        parts: dict[str, dict[str, float]] = {}
        drifts: dict[str, Drift | None] = {}
        reasons: list[str] = []
        for name, duration in span.durations.items():
            numbers[name], drifts[name] = None, None
            try:
                combined = self._number(name, duration, span)
            except Exception as error:
                reasons.append(f"duration {name}: {self._noted(error)}")
                continue
            numbers[name] = combined.value
            if combined.parts:
                parts[name] = dict(combined.parts)
            drifts[name] = _drift(span, duration, curve, similarities)
        return ScoredMetric(
            info=self.metric.info,
            reason="; ".join(dict.fromkeys(reasons)) or None,
            clip_scores=self._with_gaps([float(measure.score) for measure in measured]),
            curve=curve,
            durations=numbers,
            parts=parts,
            first_similarity=similarities,
            drift=drifts,
            official_clip_scores=self._official(measured),
            segments=_segment_means(span, curve),
        )

    def _number(self, name: str, duration: ScoredDuration, span: ScoredSpan) -> Combined:
        chosen = [self._measures[i] for i in duration.clips]
        for measure in chosen:
            if isinstance(measure, str):
                raise MetricUnavailable(measure)
        measures = [m for m in chosen if isinstance(m, ClipMeasure)]
        networks = opening_networks_of(self.metric)
        if networks:
            openings = span.openings(name)
            number = self.metric.combine(measures, openings.of(networks) if openings else None)
        else:
            number = self.metric.combine(measures)
        return _checked_number(number)

    def _noted(self, error: Exception) -> str:
        """Return the reason of an error, and keep it if it is not a property of the video."""
        reason = reason_of(error)
        if is_failure(error):
            self.failure = self.failure or reason
        return reason

    def _first_similarities(self) -> tuple[float | None, ...] | None:
        first = self._measures[0]
        if isinstance(first, str) or first.feature is None:
            return None
        return tuple(
            None
            if isinstance(m, str) or m.feature is None
            else similarity(first.feature, m.feature)
            for m in self._measures
        )

    def _official(self, measured: list[ClipMeasure]) -> tuple[float | None, ...] | None:
        if all(measure.official is None for measure in measured):
            return None
        scores = [m.score if m.official is None else m.official for m in measured]
        return self._with_gaps(scores)

    def _with_gaps(self, values: Sequence[float | None]) -> tuple[float | None, ...]:
        left = iter(values)
        return tuple(None if isinstance(m, str) else next(left) for m in self._measures)

    def _null(self, span: ScoredSpan) -> ScoredMetric:
        return ScoredMetric(
            self.metric.info, self._reason, None, None, dict.fromkeys(span.durations)
        )


def reason_of(error: Exception) -> str:
    """Return an error as one line for the result file.

    Raises:
        DiskError: the disk is to blame. That says nothing about the metric, so no null is written.
        DeviceLost: the GPU is to blame; the same holds.
    """
    if lost := device_lost(error):
        raise lost from error
    if disk := disk_error(error, Path(tempfile.gettempdir())):
        raise disk
    text = " ".join(str(error).split())
    return text if isinstance(error, MetricUnavailable) else f"{type(error).__name__}: {text}"


def is_failure(error: Exception) -> bool:
    """Return whether scoring the video again may help: a fault of the code, memory or a file.

    Properties of the video and missing packages are none.
    """
    return isinstance(error, MetricFailed) or not isinstance(error, (LongtakeError, ImportError))


def is_failure_of_setup(error: Exception) -> bool:
    """Return whether a metric is to blame that cannot be set up, and not the installation."""
    return is_failure(error) and not isinstance(error, (OSError, MemoryError))


def _checked_measure(measure: object) -> ClipMeasure:
    if not isinstance(measure, ClipMeasure):
        raise MetricFailed(
            f"`measure` must return a ClipMeasure (eval/metric.py); it returned a "
            f"{type(measure).__name__}"
        )
    _finite(measure.score, "score")
    return measure


def _checked_number(number: float | Combined) -> Combined:
    combined = number if isinstance(number, Combined) else Combined(number, {})
    return replace(combined, value=_finite(combined.value, "value"))


def _segment_means(span: ScoredSpan, curve: Sequence[float | None]) -> tuple[float | None, ...]:
    # Of the longest duration alone: a shorter one ends with a clip that the longest has as part of
    # another.
    longest = max(span.durations.values(), key=lambda duration: duration.num_frames)
    clips = [span.clips[i] for i in longest.clips]
    return segment_means(span.segments, clips, [curve[i] for i in longest.clips])


def _drift(
    span: ScoredSpan,
    duration: ScoredDuration,
    curve: Sequence[float | None],
    similarities: Sequence[float | None] | None,
) -> Drift | None:
    clips = [span.clips[i] for i in duration.clips]
    with_value = [i for i in duration.clips if curve[i] is not None]
    values = [value for i in with_value if (value := curve[i]) is not None]
    alike = None
    if similarities is not None:
        alike = [value for i in with_value if (value := similarities[i]) is not None]
    middles_s = [(span.clips[i].start_s + span.clips[i].end_s) / 2 for i in with_value]
    return drift(middles_s, values, alike, max(clip.end_s for clip in clips))


def _finite(value: object, what: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise MetricFailed(f"{what} is not a number but a {type(value).__name__}") from error
    if not math.isfinite(number):
        raise MetricFailed(f"{what} is {number}")
    return number
