"""One metric on one video: a failure is recorded as a reason and never stops the other metrics."""

from __future__ import annotations

import math
from time import perf_counter

from eval.clips import ClipPlan
from eval.metric import Clip, ClipMeasure, Metric, MetricUnavailable
from eval.results import ScoredMetric


class MetricRun:
    """The measures of one metric on one video so far, or why it cannot be computed.

    Args:
        metric: a metric that is set up.
        reason: why it could not be set up, or None.
    """

    def __init__(self, metric: Metric, reason: str | None) -> None:
        self.metric = metric
        self.seconds = 0.0
        self._reason = reason
        self._measures: list[ClipMeasure] = []

    def measure(self, clip: Clip) -> None:
        """Measure the next clip, unless an earlier one failed."""
        if self._reason is not None:
            return
        started = perf_counter()
        try:
            measure = self.metric.measure(clip)
            _finite(measure.score, f"score of the clip at frame {clip.start_frame}")
            self._measures.append(measure)
        except Exception as error:
            self._reason = reason_of(error)
        self.seconds += perf_counter() - started

    def finish(self, plan: ClipPlan) -> ScoredMetric:
        """Combine the measures of each duration."""
        started = perf_counter()
        scored = self._null(plan) if self._reason is not None else self._combine(plan)
        self.seconds += perf_counter() - started
        return scored

    def _combine(self, plan: ClipPlan) -> ScoredMetric:
        try:
            curve = [_finite(value, "curve") for value in self.metric.curve(self._measures)]
            if len(curve) != len(self._measures):
                raise MetricUnavailable(f"{len(curve)} curve values, {len(self._measures)} clips")
        except Exception as error:
            self._reason = reason_of(error)
            return self._null(plan)
        numbers: dict[str, float | None] = {}
        reasons: list[str] = []
        for name, indices in plan.durations.items():
            try:
                number = self.metric.combine([self._measures[i] for i in indices])
                numbers[name] = _finite(number, "value")
            except Exception as error:
                numbers[name] = None
                reasons.append(f"duration {name}: {reason_of(error)}")
        return ScoredMetric(
            info=self.metric.info,
            reason="; ".join(reasons) or None,
            clip_scores=tuple(float(measure.score) for measure in self._measures),
            curve=tuple(curve),
            durations=numbers,
        )

    def _null(self, plan: ClipPlan) -> ScoredMetric:
        return ScoredMetric(
            self.metric.info, self._reason, None, None, dict.fromkeys(plan.durations)
        )


def reason_of(error: Exception) -> str:
    """One line for the result file."""
    text = " ".join(str(error).split())
    return text if isinstance(error, MetricUnavailable) else f"{type(error).__name__}: {text}"


def _finite(value: float, what: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise MetricUnavailable(f"{what} is {number}")
    return number
