"""Judgement by a vision language model: scores of frames, and comparison with the opening.

Absolute scores are blind to slow drift; a comparison of later frames with the first is not. Both
are a kind of their own and share no table with other metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

from eval.metric import (
    Clip,
    ClipMean,
    ClipMeasure,
    Direction,
    Heading,
    Kind,
    MetricInfo,
    MetricUnavailable,
    Outputs,
)
from eval.networks.judge import JUDGE_OPENING, JUDGE_QUALITY


class JudgeQuality(ClipMean):
    """Mean score of the middle frames of all clips."""

    networks = (JUDGE_QUALITY,)
    info = MetricInfo(
        name="judge_quality",
        title="Judged quality",
        direction=Direction.higher,
        unit="share",
        description="Quality of the middle frame of each clip by the judge, 0 to 100; / 100.",
        heading=Heading.frame_quality,
        kind=Kind.judge,
    )

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        """Return the judge's score of the clip."""
        return ClipMeasure(float(outputs[JUDGE_QUALITY][0]))


class JudgeOpening(JudgeQuality):
    """Share of comparisons with the opening that later clips win; 0.5 is as good as the opening.

    Clip score and curve: those of `JudgeQuality`.
    """

    opening_networks = (JUDGE_OPENING,)
    info = MetricInfo(
        name="judge_opening",
        title="Judged against the opening",
        direction=Direction.higher,
        unit="share",
        description=(
            "The first frame of each later clip against the first of the video, asked in both "
            "orders: 1 if better, 0.5 if as good, 0 if worse; mean over clips."
        ),
        heading=Heading.frame_quality,
        kind=Kind.judge,
    )

    def combine(  # type: ignore[override]  # is handed openings as well
        self, measures: Sequence[ClipMeasure], openings: Outputs | None
    ) -> float:
        """Return the mean over the clips after the first.

        Raises:
            MetricUnavailable: a single clip.
        """
        if openings is None:
            raise MetricUnavailable("a single clip has no later clip to compare with")
        return float(openings[JUDGE_OPENING].mean())
