"""VBench-Long's subject and background consistency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from eval.metric import (
    Clip,
    ClipMean,
    ClipMeasure,
    Combined,
    Direction,
    Heading,
    Kind,
    MetricInfo,
    Outputs,
)
from eval.metrics.features import consistency, unit_vectors
from eval.vbench_long.fusion import fuse, map_clip_to_clip
from eval.vbench_long.networks.dino import DINO
from eval.vbench_long.networks.dinov2 import DINOV2
from eval.vbench_long.networks.dreamsim import DREAMSIM
from eval.vbench_long.networks.openai_clip import CLIP_VITB32

# Letters: F frames, D feature.


@dataclass(frozen=True)
class FrameMeasures(ClipMeasure):
    """A clip with what is known of each of its frames.

    Attributes:
        start_frame: index of the first frame in the video.
        frames: a feature or a score per frame.
    """

    start_frame: int = 0
    frames: np.ndarray = field(default_factory=lambda: np.empty(0))


class InClipConsistency(ClipMean):
    """Consistency of one network's features within a clip; a subclass names the network.

    Clip score and curve: C of all frames of the clip, within it alone.
    """

    info: MetricInfo

    def measure(self, clip: Clip, outputs: Outputs) -> FrameMeasures:
        """Return C within the clip, the mean feature of its frames, and the features.

        Raises:
            MetricUnavailable: a clip of one frame.
        """
        clip.require_frames(2)
        features_FD = unit_vectors(outputs[self.networks[0]])
        mean_D = features_FD.mean(axis=0)
        return FrameMeasures(
            consistency(features_FD),
            mean_D / np.linalg.norm(mean_D),
            start_frame=clip.start_frame,
            frames=features_FD.astype(np.float32),
        )


class SlowFastConsistency(InClipConsistency):
    """Consistency within clips (fast) and of the clips' first frames (slow).

    A subclass names the two networks.

    Number of the video: half the mean clip score, half C of the first frames, mapped by the
    official table; the clip score alone when there is only one clip.
    """

    def combine(  # type: ignore[override]  # is handed openings as well
        self, measures: Sequence[ClipMeasure], openings: Outputs | None
    ) -> Combined:
        """Fuse both parts as the official code does, over the clips of this video."""
        in_clip = float(np.mean([measure.score for measure in measures]))
        if openings is None:
            return Combined(in_clip, {"in_clip": in_clip})
        clip_to_clip = consistency(unit_vectors(openings[self.opening_networks[0]]))
        mapped = map_clip_to_clip(self.info.name, clip_to_clip)
        parts = {"in_clip": in_clip, "clip_to_clip": clip_to_clip, "mapped": mapped}
        return Combined(fuse(in_clip, mapped), parts)


class SubjectConsistency(SlowFastConsistency):
    """VBench-Long's subject consistency: DINO within clips, DINOv2 from clip to clip."""

    networks = (DINO,)
    opening_networks = (DINOV2,)
    info = MetricInfo(
        name="subject_consistency",
        title="Subject consistency",
        direction=Direction.higher,
        unit="cosine",
        description=(
            "VBench-Long with slow-fast fusion: DINO ViT-B/16 within 2 s clips, DINOv2 ViT-B/14 of "
            "their first frames, mapped, half each."
        ),
        heading=Heading.consistency,
        kind=Kind.vbench_long,
    )


class BackgroundConsistency(SlowFastConsistency):
    """VBench-Long's background consistency: CLIP within clips, DreamSim from clip to clip."""

    networks = (CLIP_VITB32,)
    opening_networks = (DREAMSIM,)
    info = MetricInfo(
        name="background_consistency",
        title="Background consistency",
        direction=Direction.higher,
        unit="cosine",
        description=(
            "VBench-Long with slow-fast fusion: CLIP ViT-B/32 within 2 s clips, DreamSim of their "
            "first frames, mapped, half each."
        ),
        heading=Heading.consistency,
        kind=Kind.vbench_long,
    )
