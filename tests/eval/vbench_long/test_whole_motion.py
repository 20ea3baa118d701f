"""Comparisons of the frames of a whole video, from clips with the frames before them."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.clip import at_ends
from eval.errors import MetricUnavailable
from eval.metric import Clip, Outputs
from eval.networks.output_cache import OutputCache
from eval.vbench_long.networks.amt import AMT, WHOLE_AMT
from eval.vbench_long.networks.raft import WHOLE_RAFT
from eval.vbench_long.whole_motion import (
    WholeDynamicDegree,
    WholeMotionSmoothness,
    WholeTemporalFlickering,
)
from eval.vbench_long.whole_video import all_frames
from eval.video.split import clip_length, frames_before, split

FPS = 4


def clips(frames_FHWC: np.ndarray, fps: int = FPS) -> list[Clip]:
    """The clips of a video with the frames before them, as the scorer hands them over."""
    return [
        Clip(frames_FHWC[a:b], a, fps, "", (), frames_FHWC[max(0, a - frames_before(fps)) : a])
        for a, b in split(len(frames_FHWC), clip_length(fps))
    ]


@given(num_frames=st.integers(1, 200), fps=st.integers(1, 61), step=st.integers(1, 8))
def test_every_pair_of_the_video_is_compared_once(num_frames: int, fps: int, step: int) -> None:
    step = min(step, frames_before(fps))
    video = np.arange(num_frames, dtype=np.float64).reshape(-1, 1, 1, 1)
    expected = list(pairwise(video[::step, 0, 0, 0]))
    found: list[tuple[float, float]] = []
    end = 0
    for clip in clips(video, fps):
        begins: list[float] = []

        def of_frames(frames_FHWC: np.ndarray, begins: list[float] = begins) -> np.ndarray:
            kept = frames_FHWC[::step, 0, 0, 0]
            begins += list(kept[:-1])
            return kept[1:]

        values_F = at_ends(clip, step, of_frames)
        ends = values_F[np.isfinite(values_F)]
        places = clip.start_frame + np.flatnonzero(np.isfinite(values_F))
        np.testing.assert_array_equal(places, ends)  # each value stands at its own frame
        found += [(a, b) for a, b in zip(begins, ends, strict=True) if b >= end]
        end = clip.start_frame + len(clip.frames_FHWC)
    assert found == expected


def test_flickering_is_that_of_all_pairs() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (21, 4, 6, 3), np.uint8)
    metric = WholeTemporalFlickering()
    measures = [metric.measure(clip) for clip in clips(frames)]
    expected = np.mean([1 - np.mean(cv2.absdiff(a, b)) / 255 for a, b in pairwise(frames)])
    assert metric.combine(measures) == pytest.approx(expected, abs=1e-12)
    assert metric.curve(measures) == [one.score for one in measures]
    with pytest.raises(MetricUnavailable, match="too few frames"):
        metric.measure(clips(frames[:1])[0])


@pytest.mark.parametrize(("num_moving", "expected"), [(4, 0.0), (5, 1.0)])
def test_dynamic_degree_counts_the_pairs_of_the_whole_video(
    num_moving: int, expected: float
) -> None:
    """20 frames need round(4 x 20 / 16) = 5 moving pairs, wherever in the video they are."""
    frames = np.zeros((20, 256, 256, 3), np.uint8)
    radii_px = np.zeros(20)
    radii_px[[2, 3, 9, 10, 18][:num_moving]] = 7
    radii_px[0] = np.nan
    metric = WholeDynamicDegree()
    measures = [
        metric.measure(clip, Outputs({"raft_whole": radii_px[clip.start_frame :][:8]}))
        for clip in clips(frames)
    ]
    assert metric.combine(measures) == expected
    assert metric.curve(measures)[0] == pytest.approx(2 / 7)


def test_smoothness_is_the_mean_over_all_interpolated_frames() -> None:
    errors = np.where(np.arange(13) % 2 == 0, np.arange(13.0), np.nan)
    errors[0] = np.nan
    metric = WholeMotionSmoothness()
    measures = [
        metric.measure(clip, Outputs({"amt_s_whole": errors[clip.start_frame :][:8]}))
        for clip in clips(np.zeros((13, 2, 2, 3), np.uint8))
    ]
    assert len(all_frames(measures)) == 13
    assert metric.combine(measures) == pytest.approx(1 - np.mean([2, 4, 6, 8, 10, 12]) / 255)


def test_outputs_are_kept_apart_where_the_frames_before_differ(tmp_path) -> None:
    frames = np.zeros((8, 2, 2, 3), np.uint8)
    black, white = (Clip(frames, 8, FPS, "", (), frames[:2] + value) for value in (0, 255))
    cache = OutputCache(tmp_path, "cpu")
    cache.key = lambda network: network.name  # type: ignore[method-assign]  # without weights
    cache.put(WHOLE_RAFT, black, "sha", np.zeros(8))
    assert cache.get(WHOLE_RAFT, white, "sha") is None
    assert cache.get(WHOLE_RAFT, black, "sha") is not None
    cache.put(AMT, black, "sha", np.zeros(3))
    assert cache.get(AMT, white, "sha") is not None and cache.get(WHOLE_AMT, black, "sha") is None
