"""Dimensions of VBench on a whole video as one clip, as some papers measure long videos.

VBench-Long cuts videos into clips of 2 s and compares within them and between their first frames;
VBench itself compares every frame of a video with the one before and with the first. For the same
videos that gives 80 to 93 where VBench-Long gives 95 to 98, so these numbers have a kind and names
of their own. Frames are those of the video's file, not encoded again.

The scorer hands over clips, so that frames never gather in memory: of each frame only its feature
is kept, 2 to 3 KB, or its score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.metric import (
    Clip,
    ClipMean,
    Direction,
    Heading,
    Kind,
    MetricInfo,
    Outputs,
)
from eval.metrics.features import consistency
from eval.vbench_long.consistency import FrameMeasures, InClipConsistency
from eval.vbench_long.networks.dino import DINO
from eval.vbench_long.networks.musiq import MUSIQ_NETWORK
from eval.vbench_long.networks.openai_clip import AESTHETIC_VITL14, CLIP_VITB32

# Letters: F frames, D feature.


class _WholeConsistency(InClipConsistency):
    """Mean similarity of the frames of a video to the one before and to the first.

    Clip score: the same within the clip. Curve: mean similarity of each clip's frames to the first
    frame of the video.
    """

    def combine(self, measures: Sequence[FrameMeasures]) -> float:  # type: ignore[override]
        """Return the consistency of all frames."""
        return consistency(all_frames(measures).astype(np.float64))

    def curve(self, measures: Sequence[FrameMeasures]) -> list[float]:  # type: ignore[override]
        """Return the similarity of each clip's frames to the first frame of the video."""
        first_D = measures[0].frames[0]
        return [float((one.frames @ first_D).clip(min=0).mean()) for one in measures]


class _WholeMean(ClipMean):
    """Mean of a score over all frames of a video. Clip score and curve: the means of clips."""

    def frame_scores(self, outputs: Outputs) -> np.ndarray:
        """Return the score of each frame, 0..1."""
        raise NotImplementedError

    def measure(self, clip: Clip, outputs: Outputs) -> FrameMeasures:
        """Return the scores of the clip's frames."""
        scores_F = self.frame_scores(outputs)
        return FrameMeasures(float(scores_F.mean()), start_frame=clip.start_frame, frames=scores_F)

    def combine(self, measures: Sequence[FrameMeasures]) -> float:  # type: ignore[override]
        """Return the mean over all frames."""
        return float(all_frames(measures).mean())


def all_frames(measures: Sequence[FrameMeasures]) -> np.ndarray:
    """Return what is known of every frame of a video once; the last clip may repeat some."""
    parts, end = [], 0
    for one in measures:
        parts.append(one.frames[max(0, end - one.start_frame) :])
        end = one.start_frame + len(one.frames)
    return np.concatenate(parts)


def whole_info(
    name: str, title: str, heading: Heading, description: str, unit: str, quality: bool = True
) -> MetricInfo:
    """Return the description of a dimension of whole videos."""
    return MetricInfo(
        name=f"whole_{name}",
        title=title,
        direction=Direction.higher,
        unit=unit,
        description=f"VBench on the whole video as one clip: {description}",
        heading=heading,
        kind=Kind.vbench_whole,
        quality=quality,
    )


class WholeSubjectConsistency(_WholeConsistency):
    """VBench's subject consistency of the whole video: DINO."""

    networks = (DINO,)
    info = whole_info(
        "subject_consistency",
        "Subject consistency, whole video",
        Heading.consistency,
        "DINO ViT-B/16 features of every frame against the frame before and the first.",
        "cosine",
    )


class WholeBackgroundConsistency(_WholeConsistency):
    """VBench's background consistency of the whole video: CLIP."""

    networks = (CLIP_VITB32,)
    info = whole_info(
        "background_consistency",
        "Background consistency, whole video",
        Heading.consistency,
        "CLIP ViT-B/32 features of every frame against the frame before and the first.",
        "cosine",
    )


class WholeAestheticQuality(_WholeMean):
    """VBench's aesthetic quality of the whole video: LAION's predictor."""

    networks = (AESTHETIC_VITL14,)
    info = whole_info(
        "aesthetic_quality",
        "Aesthetic quality, whole video",
        Heading.frame_quality,
        "LAION aesthetic predictor on CLIP ViT-L/14, mean over frames.",
        "score / 10",
    )

    def frame_scores(self, outputs: Outputs) -> np.ndarray:
        """Return the predictor's score of each frame, divided by 10."""
        scores_F: np.ndarray = outputs[AESTHETIC_VITL14][:, -1].astype(np.float64) / 10
        return scores_F


class WholeImagingQuality(_WholeMean):
    """VBench's imaging quality of the whole video: MUSIQ."""

    networks = (MUSIQ_NETWORK,)
    info = whole_info(
        "imaging_quality",
        "Imaging quality, whole video",
        Heading.frame_quality,
        "MUSIQ (SPAQ), longer side at most 512, mean over frames, / 100.",
        "score / 100",
    )

    def frame_scores(self, outputs: Outputs) -> np.ndarray:
        """Return MUSIQ's score of each frame, divided by 100."""
        scores_F: np.ndarray = outputs[MUSIQ_NETWORK].astype(np.float64).reshape(-1) / 100
        return scores_F
