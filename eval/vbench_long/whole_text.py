"""Overall consistency of VBench on a whole video as one clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.metric import Heading, MetricUnavailable, Outputs
from eval.vbench_long.networks.viclip import VICLIP_TEXT, VICLIP_VIDEO, middle_frames
from eval.vbench_long.whole_video import whole_info
from eval.video_metric import VideoMetric, WholeVideo


class WholeOverallConsistency(VideoMetric):
    """VBench's overall consistency of the whole video: ViCLIP sees eight frames of it.

    As for its custom videos, the prompt is without the suffix that VBench-Long leaves on it.
    """

    networks = (VICLIP_VIDEO, VICLIP_TEXT)
    info = whole_info(
        "overall_consistency",
        "Overall consistency, whole video",
        Heading.prompt,
        "cosine of ViCLIP-L/14 embeddings of eight frames of all of it and the prompt.",
        "cosine",
    )

    def chosen_frames(self, num_frames: int) -> Sequence[int]:
        """Return the middle frames of eight equal parts of the video."""
        return middle_frames(num_frames)

    def score_video(self, video: WholeVideo, outputs: Outputs) -> float:  # type: ignore[override]
        """Return the cosine of the video and its prompt.

        Raises:
            MetricUnavailable: the video has no prompt, or more than one.
        """
        if not video.prompt.strip():
            raise MetricUnavailable("needs a prompt, and the video has none")
        if video.segments:
            raise MetricUnavailable("compares with one prompt, and that of the video changes")
        prompt_D, _ = outputs[VICLIP_TEXT].astype(np.float64)
        return float(prompt_D @ outputs[VICLIP_VIDEO].astype(np.float64))
