from __future__ import annotations

import cv2
import numpy as np
import pytest

from eval.metric import Clip, ClipMeasure, Metric, MetricUnavailable
from eval.metrics.flow import FlowMotion, WarpSmoothness
from eval.metrics.pixels import FlickerStability, SharpnessRetention
from tests.eval.conftest import measure_clip

ALL = [FlickerStability, FlowMotion, WarpSmoothness, SharpnessRetention]


def measure(metric: Metric, frames: np.ndarray, fps: int = 16) -> ClipMeasure:
    metric.setup()
    return measure_clip(metric, Clip(frames, start_frame=0, fps=fps, prompt=""))


def panned(step_px: int, make_scene, size: int = 128) -> np.ndarray:
    """A camera moving sideways at constant speed over a still scene."""
    land = make_scene(height=size, width=size + 32 * step_px).frame(0)
    return np.stack([land[:, i * step_px : i * step_px + size] for i in range(32)])


def test_flicker_is_the_mean_difference_of_consecutive_frames() -> None:
    frames = np.zeros((4, 6, 8, 3), np.uint8)
    frames[1] = 255
    frames[3, :3] = 51
    expected = 1 - np.mean([1.0, 1.0, 0.5 * 51 / 255])
    assert measure(FlickerStability(), frames).score == pytest.approx(expected)


def test_flicker_lowers_stability(make_scene) -> None:
    steady = panned(1, make_scene)
    flickering = steady.copy()
    flickering[::2] = flickering[::2] // 10 * 8
    metric = FlickerStability()
    assert measure(metric, flickering).score < measure(metric, steady).score < 1


def test_frozen_video_has_no_motion_and_perfect_stability(make_scene) -> None:
    frozen = np.repeat(make_scene().frames(1), 32, axis=0)
    assert measure(FlowMotion(), frozen).score == pytest.approx(0, abs=0.01)
    assert measure(WarpSmoothness(), frozen).score == 1
    assert measure(FlickerStability(), frozen).score == 1


@pytest.mark.parametrize("size", [128, 512])
def test_motion_is_in_pixels_of_a_256_pixel_video(size: int, make_scene) -> None:
    # At 16 fps every second frame is compared, 4 px apart.
    score = measure(FlowMotion(), panned(2, make_scene, size)).score
    assert score == pytest.approx(4 * 256 / size, rel=0.25)


def test_faster_camera_gives_more_motion(make_scene) -> None:
    slow, fast = (measure(FlowMotion(), panned(step, make_scene)).score for step in (1, 3))
    assert fast > 2 * slow


def test_jerky_motion_is_less_smooth_than_steady_motion(make_scene) -> None:
    steady = panned(2, make_scene)
    jerky = steady.copy()
    jerky[1::2] = steady[0:-1:2]
    metric = WarpSmoothness()
    assert measure(metric, jerky).score < measure(metric, steady).score - 0.005
    assert measure(metric, steady).score > 0.98


def test_blurring_and_sharpening_lower_sharpness_retention(make_scene) -> None:
    metric = SharpnessRetention()
    frames = panned(1, make_scene)
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in frames])
    sharpened = np.stack(
        [cv2.addWeighted(f, 3, b, -2, 0) for f, b in zip(frames, blurred, strict=True)]
    )
    first, soft, hard = (measure(metric, clip) for clip in (frames, blurred, sharpened))
    assert metric.combine([first, first]) == 1
    assert metric.combine([first, soft]) < 0.5
    assert metric.combine([first, hard]) < 0.5
    assert metric.curve([first, soft, first]) == [1, soft.score / first.score, 1]


def test_growing_blur_gives_a_falling_curve(make_scene) -> None:
    metric = SharpnessRetention()
    frames = panned(1, make_scene)
    clips = [frames] + [
        np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])
        for sigma in (0.5, 1, 2)
    ]
    curve = metric.curve([measure(metric, clip) for clip in clips])
    assert curve == sorted(curve, reverse=True)
    assert curve[0] == 1 > curve[-1]


def test_sharpness_needs_a_later_clip_and_detail_in_the_first(make_scene) -> None:
    metric = SharpnessRetention()
    scene, flat = measure(metric, panned(1, make_scene)), ClipMeasure(0.0)
    with pytest.raises(MetricUnavailable, match="single clip"):
        metric.combine([scene])
    with pytest.raises(MetricUnavailable, match="no detail"):
        metric.combine([flat, scene])
    assert metric.combine([scene, flat]) == 0


@pytest.mark.parametrize("metric_type", ALL)
def test_black_video_gives_finite_clip_scores(metric_type: type[Metric]) -> None:
    assert np.isfinite(measure(metric_type(), np.zeros((32, 64, 64, 3), np.uint8)).score)


@pytest.mark.parametrize("metric_type", [FlickerStability, FlowMotion, WarpSmoothness])
def test_single_frame_has_no_score_but_a_reason(metric_type: type[Metric], make_scene) -> None:
    with pytest.raises(MetricUnavailable, match="clip of"):
        measure(metric_type(), make_scene().frames(1))
