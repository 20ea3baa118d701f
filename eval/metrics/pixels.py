"""Metrics computed from pixels alone: flicker and loss of sharpness."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from eval.metric import (
    Clip,
    ClipMean,
    ClipMeasure,
    Direction,
    Heading,
    Kind,
    MetricInfo,
    MetricUnavailable,
)

# Sharpness changes slowly: one frame per latent frame is enough.
FRAME_STEP = 4


class FlickerStability(ClipMean):
    """Similarity of consecutive frames (VBench's temporal flickering, without its static filter).

    Motion lowers it as flicker does. VBench applies it to still scenes only, so read it beside a
    metric of motion.
    """

    info = MetricInfo(
        name="flicker_stability",
        title="Flicker stability",
        direction=Direction.higher,
        unit="share",
        description="(255 - mean absolute difference of consecutive frames) / 255.",
        heading=Heading.temporal,
        kind=Kind.proxy,
    )

    def measure(self, clip: Clip) -> ClipMeasure:
        """Return the mean over pairs of consecutive frames, all pixels and channels.

        Raises:
            MetricUnavailable: the clip is a single frame.
        """
        clip.require_frames(2)
        pixels = clip.frames_FHWC.reshape(len(clip.frames_FHWC), -1)
        difference = cv2.norm(pixels[1:], pixels[:-1], cv2.NORM_L1) / pixels[1:].size
        return ClipMeasure((255 - difference) / 255)


class SharpnessRetention(ClipMean):
    """Similarity of the sharpness of later clips to that of the first clip.

    Sharpness is the variance of the Laplacian of the luma. Blurring lowers the value, and so does
    the over-sharpening typical of long rollouts.
    Clip score: the sharpness itself. Curve: min(r, 1/r), r the ratio to the first clip.
    """

    info = MetricInfo(
        name="sharpness_retention",
        title="Sharpness retention",
        direction=Direction.higher,
        unit="share",
        description=(
            "min(r, 1/r) averaged over the clips after the first, where r is the sharpness of the "
            "clip (variance of the Laplacian of luma) divided by that of the first clip."
        ),
        heading=Heading.frame_quality,
        kind=Kind.proxy,
    )

    def measure(self, clip: Clip) -> ClipMeasure:
        """Return the mean sharpness of every fourth frame."""
        return ClipMeasure(float(np.mean([sharpness(f) for f in clip.frames_FHWC[::FRAME_STEP]])))

    def combine(self, measures: Sequence[ClipMeasure]) -> float:
        """Return the mean of the curve without the first clip.

        Raises:
            MetricUnavailable: a single clip, or a first clip without any detail.
        """
        if len(measures) == 1:
            raise MetricUnavailable("a single clip has no later clip to compare with")
        return float(np.mean(self.curve(measures)[1:]))

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float]:
        """Return min(r, 1/r) of each clip.

        Raises:
            MetricUnavailable: the first clip has no detail, so ratios to it mean nothing.
        """
        first = measures[0].score
        if first == 0:
            raise MetricUnavailable("the first clip has no detail to keep")
        return [min(first, clip.score) / max(first, clip.score) for clip in measures]


def sharpness(frame_HWC: np.ndarray) -> float:
    """Return the variance of the Laplacian of an RGB frame's luma."""
    luma_HW = cv2.cvtColor(frame_HWC, cv2.COLOR_RGB2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(luma_HW, cv2.CV_16S))
    return float(deviation[0, 0]) ** 2
