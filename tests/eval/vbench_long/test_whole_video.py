"""Dimensions of a whole video as one clip, with invented outputs of networks."""

from __future__ import annotations

import numpy as np
import pytest

from eval.errors import MetricUnavailable
from eval.metric import Clip, Kind, Metric, Outputs
from eval.metrics.features import consistency
from eval.scoring.suite import METRICS, find_suite
from eval.vbench_long.whole_video import (
    WholeAestheticQuality,
    WholeImagingQuality,
    WholeSubjectConsistency,
)
from eval.video.split import split

NUM_FRAMES, CLIP = 21, 8


def measures(metric: Metric, outputs_F: np.ndarray) -> list:
    """The measures of the clips of a video, the last of which overlaps the one before."""
    spans = split(len(outputs_F), CLIP)
    assert spans[-1].start < spans[-2].end
    (network,) = metric.networks  # type: ignore[attr-defined]
    return [
        metric.measure(
            Clip(np.zeros((end - start, 2, 2, 3), np.uint8), start, 4, ""),
            Outputs({network.name: outputs_F[start:end]}),
        )
        for start, end in spans
    ]


def test_consistency_is_that_of_all_frames_once() -> None:
    features_FD = np.random.default_rng(0).normal(1, 1, (NUM_FRAMES, 16)).astype(np.float32)
    metric = WholeSubjectConsistency()
    found = measures(metric, 3 * features_FD)
    unit_FD = features_FD / np.linalg.norm(features_FD, axis=1, keepdims=True)
    assert metric.combine(found) == pytest.approx(consistency(unit_FD.astype(float)), abs=1e-6)
    curve = metric.curve(found)
    assert len(curve) == 3 and curve[0] == pytest.approx((unit_FD[:8] @ unit_FD[0]).mean())


@pytest.mark.parametrize(
    ("metric", "outputs_F"),
    [
        (WholeImagingQuality(), 100 * np.linspace(0, 1, NUM_FRAMES) ** 2),
        (WholeAestheticQuality(), 10 * np.linspace(0, 1, NUM_FRAMES)[:, None] ** 2 * [0, 1]),
    ],
)
def test_means_are_over_all_frames_once(metric: Metric, outputs_F: np.ndarray) -> None:
    found = measures(metric, outputs_F)
    assert metric.combine(found) == pytest.approx(np.mean(np.linspace(0, 1, NUM_FRAMES) ** 2))
    assert metric.curve(found) == [one.score for one in found]


def test_one_frame_has_no_consistency() -> None:
    clip = Clip(np.zeros((1, 2, 2, 3), np.uint8), 0, 4, "")
    metric = WholeSubjectConsistency()
    with pytest.raises(MetricUnavailable, match="clip of 1 frames is too short"):
        metric.measure(clip, Outputs({metric.networks[0].name: np.ones((1, 4))}))


def test_whole_videos_share_no_name_and_no_kind_with_vbench_long() -> None:
    whole, clips = (find_suite(name).metrics for name in ("vbench_clip", "vbench_long"))
    assert not set(whole) & set(clips)
    assert {METRICS.load(name).info.kind for name in whole} == {Kind.vbench_whole}
