from __future__ import annotations

import math

import numpy as np
import pytest

from eval.metric import Clip, ClipMeasure, MetricUnavailable
from eval.metrics.features import (
    BackgroundFeatureConsistency,
    FeatureConsistency,
    SubjectFeatureConsistency,
    consistency,
)
from tests.eval.conftest import measure_clip

both_metrics = pytest.mark.parametrize(
    "metric_type", [SubjectFeatureConsistency, BackgroundFeatureConsistency]
)


def unit(*degrees: float) -> np.ndarray:
    """Unit vectors in a plane, at these angles."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_consistency_of_known_angles() -> None:
    # To the previous: 60 and 60 degrees. To the first: 60 and 120 degrees, the latter cut off at 0.
    expected = ((0.5 + 0.5) / 2 + (0.5 + 0.0) / 2) / 2
    assert consistency(unit(0, 60, 120)) == pytest.approx(expected)
    assert consistency(unit(10, 10, 10)) == pytest.approx(1)


def test_video_is_half_within_clips_and_half_from_clip_to_clip() -> None:
    metric = SubjectFeatureConsistency()
    first, second = unit(0, 60)
    measures = [ClipMeasure(0.9, first), ClipMeasure(0.7, second)]
    assert metric.combine(measures) == pytest.approx(0.5 * 0.8 + 0.5 * 0.5)
    assert metric.combine(measures[:1]) == 0.9
    assert metric.curve(measures) == pytest.approx([1, 0.5])


def measure(metric: FeatureConsistency, frames: np.ndarray) -> ClipMeasure:
    return measure_clip(metric, Clip(frames, start_frame=0, fps=16, prompt=""))


@pytest.mark.slow
@pytest.mark.usefixtures("networks")
@both_metrics
def test_cut_lowers_the_clip_and_the_curve(
    metric_type: type[FeatureConsistency], make_scene
) -> None:
    metric = metric_type()
    metric.setup()
    before, after = make_scene(seed=0).frames(32), make_scene(seed=1).frames(32)
    steady = measure(metric, before)
    cut = measure(metric, np.concatenate([before[:16], after[16:]]))
    assert cut.score < steady.score - 0.05
    new_scene = measure(metric, after)
    curve = metric.curve([steady, steady, new_scene])
    assert curve[:2] == pytest.approx([1, 1])
    assert curve[2] < 0.95
    assert metric.combine([steady, new_scene]) < metric.combine([steady, steady])


@pytest.mark.usefixtures("networks")
@both_metrics
def test_still_and_black_clips_are_fully_consistent(
    metric_type: type[FeatureConsistency], make_scene
) -> None:
    metric = metric_type()
    metric.setup()
    still = np.repeat(make_scene().frames(1), 32, axis=0)
    for frames in (still, np.zeros_like(still)):
        assert measure(metric, frames).score == pytest.approx(1, abs=1e-6)


@pytest.mark.usefixtures("networks")
def test_clip_of_one_latent_frame_has_no_consistency(make_scene) -> None:
    metric = SubjectFeatureConsistency()
    metric.setup()
    with pytest.raises(MetricUnavailable, match="clip of 4 frames is too short"):
        measure(metric, make_scene().frames(4))
    assert math.isfinite(measure(metric, make_scene().frames(5)).score)
