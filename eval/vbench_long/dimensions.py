"""The six dimensions of VBench-Long whose number is the mean over clips."""

from __future__ import annotations

from itertools import pairwise

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
    Outputs,
)
from eval.vbench_long.networks.amt import AMT
from eval.vbench_long.networks.musiq import MUSIQ_NETWORK
from eval.vbench_long.networks.openai_clip import AESTHETIC_VITL14
from eval.vbench_long.networks.raft import RAFT_NETWORK, is_dynamic
from eval.vbench_long.networks.viclip import VICLIP_TEXT, VICLIP_VIDEO


class TemporalFlickering(ClipMean):
    """VBench-Long's temporal flickering, without the static filter, as for custom videos."""

    info = MetricInfo(
        name="temporal_flickering",
        title="Temporal flickering",
        direction=Direction.higher,
        unit="share",
        description=(
            "VBench-Long: (255 - mean absolute difference of consecutive frames) / 255, of all "
            "clips, moving ones included."
        ),
        heading=Heading.temporal,
        kind=Kind.vbench_long,
    )

    def measure(self, clip: Clip) -> ClipMeasure:
        """Return the mean over pairs of consecutive frames, all pixels and channels.

        Raises:
            MetricUnavailable: the clip is a single frame.
        """
        clip.require_frames(2)
        differences = [float(np.mean(cv2.absdiff(a, b))) for a, b in pairwise(clip.frames_FHWC)]
        return ClipMeasure((255.0 - float(np.mean(differences))) / 255.0)


class MotionSmoothness(ClipMean):
    """VBench-Long's motion smoothness: every second frame interpolated by AMT-S."""

    networks = (AMT,)
    info = MetricInfo(
        name="motion_smoothness",
        title="Motion smoothness",
        direction=Direction.higher,
        unit="share",
        description=(
            "VBench-Long: (255 - e) / 255, e the mean absolute error of every second frame when "
            "AMT-S interpolates it from its neighbours."
        ),
        heading=Heading.temporal,
        kind=Kind.vbench_long,
    )

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        """Return the mean over the interpolated frames."""
        return ClipMeasure((255.0 - float(outputs[AMT].mean())) / 255.0)


class DynamicDegree(ClipMean):
    """VBench-Long's dynamic degree: the share of clips with enough motion, by RAFT."""

    networks = (RAFT_NETWORK,)
    info = MetricInfo(
        name="dynamic_degree",
        title="Dynamic degree",
        direction=Direction.higher,
        unit="share of clips",
        description=(
            "VBench-Long: share of 2 s clips in which a quarter of the frame pairs (1/8 s apart) "
            "has its longest 5 % of RAFT flow above 6 px at a short side of 256."
        ),
        heading=Heading.motion,
        kind=Kind.vbench_long,
        quality=False,
    )

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        """Return 1 if enough pairs of frames move, else 0."""
        return ClipMeasure(float(bool(is_dynamic(outputs[RAFT_NETWORK], clip))))


class AestheticQuality(ClipMean):
    """VBench-Long's aesthetic quality: LAION's predictor on CLIP ViT-L/14."""

    networks = (AESTHETIC_VITL14,)
    info = MetricInfo(
        name="aesthetic_quality",
        title="Aesthetic quality",
        direction=Direction.higher,
        unit="score / 10",
        description="VBench-Long: LAION aesthetic predictor on CLIP ViT-L/14, mean over frames.",
        heading=Heading.frame_quality,
        kind=Kind.vbench_long,
    )

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        """Return the mean over frames, and the mean embedding for comparing clips."""
        output_FD = outputs[AESTHETIC_VITL14].astype(np.float64)
        mean_D = output_FD[:, :-1].mean(axis=0)
        score = float(output_FD[:, -1].mean()) / 10
        return ClipMeasure(score, mean_D / np.linalg.norm(mean_D))


class ImagingQuality(ClipMean):
    """VBench-Long's imaging quality: MUSIQ trained on SPAQ."""

    networks = (MUSIQ_NETWORK,)
    info = MetricInfo(
        name="imaging_quality",
        title="Imaging quality",
        direction=Direction.higher,
        unit="score / 100",
        description="VBench-Long: MUSIQ (SPAQ), longer side at most 512, mean over frames, / 100.",
        heading=Heading.frame_quality,
        kind=Kind.vbench_long,
    )

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        """Return the mean over frames, divided by 100 (official clip scores are not divided)."""
        return ClipMeasure(float(outputs[MUSIQ_NETWORK].mean()) / 100)


class OverallConsistency(ClipMean):
    """VBench-Long's overall consistency: ViCLIP's similarity of a clip and its prompt.

    The official code reads the prompt from the name of the clips' folder, which ends in "-0". The
    score with that suffix is kept as the official one, beside that of the prompt itself.
    """

    networks = (VICLIP_VIDEO, VICLIP_TEXT)
    info = MetricInfo(
        name="overall_consistency",
        title="Overall consistency",
        direction=Direction.higher,
        unit="cosine",
        description="VBench-Long: cosine of ViCLIP-L/14 embeddings of eight frames and the prompt.",
        heading=Heading.prompt,
        kind=Kind.vbench_long,
    )

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        """Return the cosine with the prompt and, as the official score, with the prompt and suffix.

        Raises:
            MetricUnavailable: the video has no prompt.
        """
        clip.require_prompt()
        video_D = outputs[VICLIP_VIDEO].astype(np.float64)
        prompt, official = outputs[VICLIP_TEXT].astype(np.float64) @ video_D
        return ClipMeasure(float(prompt), video_D / np.linalg.norm(video_D), float(official))
