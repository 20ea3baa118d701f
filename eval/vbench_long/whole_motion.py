"""Dimensions of VBench on a whole video as one clip that compare neighbouring frames.

Of each frame a number is kept: how it compares with a frame before it, also over the borders of
clips, which are handed over with the frames before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from eval.clip import at_ends
from eval.metric import Clip, ClipMean, Heading, MetricUnavailable, Outputs
from eval.vbench_long.consistency import FrameMeasures
from eval.vbench_long.networks.amt import WHOLE_AMT
from eval.vbench_long.networks.raft import WHOLE_RAFT, pairs_needed, threshold_px
from eval.vbench_long.whole_video import all_frames, whole_info

# Letters: F frames.


def _measure(clip: Clip, values_F: np.ndarray) -> FrameMeasures:
    """Return the values of a clip's frames, NaN where a frame has none, and their mean.

    Raises:
        MetricUnavailable: no frame has a value.
    """
    known = values_F[np.isfinite(values_F)]
    if not len(known):
        raise MetricUnavailable("too few frames to compare with those before them")
    return FrameMeasures(float(known.mean()), start_frame=clip.start_frame, frames=values_F)


def _all_values(measures: Sequence[FrameMeasures]) -> np.ndarray:
    values_F = all_frames(measures)
    known: np.ndarray = values_F[np.isfinite(values_F)]
    return known


class _MeanOverPairs(ClipMean):
    """Base of the dimensions that are means over pairs. Clip score and curve: means of clips."""

    def combine(self, measures: Sequence[FrameMeasures]) -> float:  # type: ignore[override]
        """Return the mean over all pairs of the video."""
        return float(_all_values(measures).mean())


class WholeTemporalFlickering(_MeanOverPairs):
    """VBench's temporal flickering of the whole video, without its static filter."""

    info = whole_info(
        "temporal_flickering",
        "Temporal flickering, whole video",
        Heading.temporal,
        "(255 - mean absolute difference of consecutive frames) / 255.",
        "share",
    )

    def measure(self, clip: Clip) -> FrameMeasures:
        """Return the likeness of each of the clip's frames to the one before.

        Raises:
            MetricUnavailable: a video of one frame.
        """
        return _measure(clip, at_ends(clip, 1, _likeness))


def _likeness(frames_FHWC: np.ndarray) -> np.ndarray:
    differences = [float(np.mean(cv2.absdiff(a, b))) for a, b in pairwise(frames_FHWC)]
    return (255.0 - np.array(differences)) / 255.0


class WholeMotionSmoothness(_MeanOverPairs):
    """VBench's motion smoothness of the whole video: every second frame interpolated by AMT-S."""

    networks = (WHOLE_AMT,)
    info = whole_info(
        "motion_smoothness",
        "Motion smoothness, whole video",
        Heading.temporal,
        "(255 - e) / 255, e the mean absolute error of every second frame when AMT-S interpolates "
        "it from its neighbours.",
        "share",
    )

    def measure(self, clip: Clip, outputs: Outputs) -> FrameMeasures:
        """Return the smoothness at each even frame of the video from the third on.

        Raises:
            MetricUnavailable: a video of less than three frames.
        """
        return _measure(clip, (255.0 - outputs[WHOLE_AMT]) / 255.0)


class WholeDynamicDegree(ClipMean):
    """VBench's dynamic degree of the whole video: whether it has enough motion, by RAFT.

    Clip score and curve: share of the clip's pairs of frames that move.
    """

    networks = (WHOLE_RAFT,)
    info = whole_info(
        "dynamic_degree",
        "Dynamic degree, whole video",
        Heading.motion,
        "1 if a quarter of the frame pairs (1/8 s apart) of the video has its longest 5 % of RAFT "
        "flow above 6 px at a short side of 256, else 0; share of videos.",
        "share of videos",
        quality=False,
    )

    def measure(self, clip: Clip, outputs: Outputs) -> FrameMeasures:
        """Return by frame whether the pair that ends there moves.

        Raises:
            MetricUnavailable: a video of one frame.
        """
        radii_px = outputs[WHOLE_RAFT]
        moves_F = np.where(np.isnan(radii_px), np.nan, radii_px > threshold_px(clip))
        return _measure(clip, moves_F)

    def combine(self, measures: Sequence[FrameMeasures]) -> float:  # type: ignore[override]
        """Return 1 if enough pairs of the video move, else 0."""
        moves = _all_values(measures)
        return float(moves.sum() >= pairs_needed(len(moves) + 1))
