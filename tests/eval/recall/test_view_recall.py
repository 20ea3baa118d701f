"""Recall of a view on hand-made videos that leave it and do or do not return."""

from __future__ import annotations

import numpy as np
import pytest

from eval.clip import Clip, ScoredSegment
from eval.metric import MetricUnavailable, Outputs
from eval.networks.image_features import FRAME_STEP
from eval.recall.view_recall import ViewRecall, ViewRecallDino

FPS, CLIP = 16, 32
STARTS, END = (0, 96, 192), 288
"""Three segments of 6 s."""
NAMES = ("a dog", "a wall", "a dog")
RNG = np.random.default_rng(0)
DOG, WALL, OTHER = np.eye(3, 32)


def frames_of(*views: np.ndarray, noise: float = 0.02) -> np.ndarray:
    """Features of every frame: a view per segment, with noise of its own for each frame."""
    seen = np.repeat(views, 96, axis=0)
    return seen + noise * RNG.standard_normal(seen.shape)


def measures_of(metric: ViewRecall, seen_FD: np.ndarray, names: tuple[str, ...] = NAMES) -> list:
    segments = tuple(map(ScoredSegment, STARTS, names))
    found = []
    for start in range(0, len(seen_FD), CLIP):
        clip = Clip(np.zeros((CLIP, 4, 4, 3), np.uint8), start, FPS, "", segments)
        every = FRAME_STEP // metric.step
        features_FD = seen_FD[start : start + CLIP : every].astype(np.float32)
        found.append(metric.measure(clip, Outputs({metric.networks[0].name: features_FD})))
    return found


def recall(*views: np.ndarray) -> float:
    return ViewRecall().combine(measures_of(ViewRecall(), frames_of(*views))).value


def test_a_perfect_return_is_1_and_no_return_or_another_place_is_0() -> None:
    assert recall(DOG, WALL, DOG) == pytest.approx(1, abs=0.02)
    assert recall(DOG, WALL, WALL) == pytest.approx(0, abs=0.03)
    assert recall(DOG, WALL, OTHER) == pytest.approx(0, abs=0.03)
    assert 0.3 < recall(DOG, WALL, DOG + OTHER) < 0.9


def test_what_is_shown_between_sets_the_floor() -> None:
    """The light of all segments is alike, so no cosine is near 0."""
    light = 2 * np.eye(32)[4]
    assert recall(DOG + light, WALL + light, OTHER + light) == pytest.approx(0, abs=0.1)


def test_parts_are_by_seconds_of_absence_and_the_curve_is_of_the_return() -> None:
    for metric in (ViewRecall(), ViewRecallDino()):
        measures = measures_of(metric, frames_of(DOG, WALL, DOG))
        found = metric.combine(measures)
        assert found.parts == {"after 6 s": found.value}
        assert metric.curve(measures) == [None] * 6 + [found.value] * 3


def test_the_way_back_is_left_out() -> None:
    seen_FD = frames_of(DOG, WALL, DOG)
    seen_FD[192 : 192 + 32] = WALL
    assert ViewRecall().combine(measures_of(ViewRecall(), seen_FD)).value > 0.95


@pytest.mark.parametrize("noise", [0, 0.02, 0.3])
def test_a_video_that_stays_has_no_number(noise: float) -> None:
    measures = measures_of(ViewRecall(), frames_of(DOG, DOG, DOG, noise=noise))
    with pytest.raises(MetricUnavailable, match="doesn't leave it"):
        ViewRecall().combine(measures)


def test_a_script_without_a_return_has_no_number() -> None:
    metric, seen_FD = ViewRecall(), frames_of(DOG, WALL, DOG)
    reason = "no segment with more than 2 s returns"
    for names in (("a dog", "a wall", "a cat"), ("a wall", "a dog", "a dog")):
        with pytest.raises(MetricUnavailable, match=reason):
            metric.combine(measures_of(metric, seen_FD, names))
    with pytest.raises(MetricUnavailable, match=reason):
        metric.combine(measures_of(metric, seen_FD[: 192 + 32]))
