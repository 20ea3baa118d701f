"""VBench-Long's subject and background consistency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from eval.metric import (
    Clip,
    ClipMeasure,
    Combined,
    Direction,
    Heading,
    Kind,
    MetricInfo,
    MetricUnavailable,
    Outputs,
)
from eval.metrics.features import consistency
from eval.networks.torch_network import TorchNetwork
from eval.vbench_long.fusion import fuse, map_clip_to_clip
from eval.vbench_long.networks.dino import DINO
from eval.vbench_long.networks.dinov2 import DINOV2
from eval.vbench_long.networks.dreamsim import DREAMSIM
from eval.vbench_long.networks.openai_clip import CLIP_VITB32

# Letters: F frames, D feature.


class SlowFastConsistency:
    """Consistency within clips (fast) and of the clips' first frames (slow).

    A subclass names the two networks.

    Clip score and curve: C of all frames of the clip, within it alone.
    Number of the video: half the mean clip score, half C of the first frames, mapped by the
    official table; the clip score alone when there is only one clip.
    """

    info: MetricInfo
    within: ClassVar[TorchNetwork]
    between: ClassVar[TorchNetwork]

    @property
    def networks(self) -> tuple[TorchNetwork, ...]:
        """Declare the network that runs on clips."""
        return (self.within,)

    @property
    def opening_networks(self) -> tuple[TorchNetwork, ...]:
        """Declare the network that runs on the clips' first frames."""
        return (self.between,)

    def setup(self) -> None:
        """Check for packages and weights of both networks.

        Raises:
            MetricUnavailable: one is missing.
        """
        self.within.check()
        self.between.check()

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        """Return C within the clip, and the mean feature of its frames.

        Raises:
            MetricUnavailable: a clip of one frame.
        """
        if len(clip.frames_FHWC) < 2:
            raise MetricUnavailable("a clip of one frame has no consecutive frames to compare")
        features_FD = unit_vectors(outputs[self.within])
        mean_D = features_FD.mean(axis=0)
        return ClipMeasure(consistency(features_FD), mean_D / np.linalg.norm(mean_D))

    def combine(self, measures: Sequence[ClipMeasure], openings: Outputs | None) -> Combined:
        """Fuse both parts as the official code does, over the clips of this video."""
        in_clip = float(np.mean([measure.score for measure in measures]))
        if openings is None:
            return Combined(in_clip, {"in_clip": in_clip})
        clip_to_clip = consistency(unit_vectors(openings[self.between]))
        mapped = map_clip_to_clip(self.info.name, clip_to_clip)
        parts = {"in_clip": in_clip, "clip_to_clip": clip_to_clip, "mapped": mapped}
        return Combined(fuse(in_clip, mapped), parts)

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float]:
        """Return the clip scores."""
        return [measure.score for measure in measures]


class SubjectConsistency(SlowFastConsistency):
    """VBench-Long's subject consistency: DINO within clips, DINOv2 from clip to clip."""

    within = DINO
    between = DINOV2
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

    within = CLIP_VITB32
    between = DREAMSIM
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


def unit_vectors(features_FD: np.ndarray) -> np.ndarray:
    """Return features as float64 vectors of length 1."""
    exact_FD = features_FD.astype(np.float64)
    return exact_FD / np.linalg.norm(exact_FD, axis=1, keepdims=True)
