from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metric import Clip, ClipMeasure, Outputs
from eval.vbench_long.consistency import SubjectConsistency
from eval.vbench_long.fusion import fuse, map_clip_to_clip, mapping_table
from eval.vbench_long.networks.raft import is_dynamic, kept_frames, pairs_needed, threshold_px
from eval.vbench_long.networks.viclip import middle_frames

DIMENSIONS = ("subject_consistency", "background_consistency")
# Anchors of the official tables, to four digits.
ANCHORS = {
    "subject_consistency": {0: 0, 0.01: 0.6558, 0.25: 0.8706, 0.5: 0.9327, 0.99: 0.9955, 1: 1},
    "background_consistency": {0: 0, 0.01: 0.8737, 0.25: 0.9304, 0.5: 0.9461, 0.99: 0.9859, 1: 1},
}


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_mapping_has_the_official_anchors_and_is_linear_between(dimension: str) -> None:
    for score, mapped in ANCHORS[dimension].items():
        assert map_clip_to_clip(dimension, score) == pytest.approx(mapped, abs=5e-5)
    table = mapping_table(dimension)
    assert len(table) == 101
    assert map_clip_to_clip(dimension, 0.505) == pytest.approx((table[50] + table[51]) / 2)
    assert map_clip_to_clip(dimension, 1.2) == 1
    assert map_clip_to_clip(dimension, -0.2) == 0
    assert all(low < high for low, high in pairwise(table))


def test_official_example_of_mapping_and_fusion() -> None:
    """The numbers of expected.json."""
    mapped = map_clip_to_clip("subject_consistency", 0.9810134768486023)
    assert mapped == pytest.approx(0.9946851679843435, abs=1e-12)
    assert fuse(0.9852618786596483, mapped) == pytest.approx(0.989973523321996, abs=1e-12)
    assert fuse(0.7, 0.0) == 0.7


def unit(*degrees: float) -> np.ndarray:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_video_is_half_within_clips_and_half_mapped_openings() -> None:
    metric = SubjectConsistency()
    measures = [ClipMeasure(0.9), ClipMeasure(0.7)]
    alone = metric.combine(measures, None)
    assert (alone.value, alone.parts) == (pytest.approx(0.8), {"in_clip": pytest.approx(0.8)})
    openings = Outputs({metric.opening_networks[0].name: 5 * unit(0, 60)})  # lengths do not matter
    both = metric.combine(measures, openings)
    mapped = map_clip_to_clip("subject_consistency", 0.5)
    assert both.parts["clip_to_clip"] == pytest.approx(0.5)
    assert both.value == pytest.approx(0.5 * 0.8 + 0.5 * mapped)


def test_eight_middle_frames() -> None:
    assert middle_frames(32) == [1, 5, 9, 13, 17, 21, 25, 29]
    assert middle_frames(8) == list(range(8))
    assert middle_frames(3) == [0, 1, 2, 2, 2, 2, 2, 2]


def still(num_frames: int = 32, fps: int = 16, height: int = 256, width: int = 300) -> Clip:
    return Clip(np.zeros((num_frames, height, width, 3), np.uint8), 0, fps, "")


@pytest.mark.parametrize(("fps", "step"), [(16, 2), (24, 3), (30, 4), (20, 2), (12, 2), (4, 1)])
def test_about_eight_frames_a_second_are_kept(fps: int, step: int) -> None:
    assert len(kept_frames(still(2 * fps, fps, 8, 8))) == len(range(0, 2 * fps, step))


def test_threshold_and_count_of_the_dynamic_degree() -> None:
    assert (threshold_px(still()), pairs_needed(len(kept_frames(still())))) == (6, 4)
    assert threshold_px(still(height=480, width=832)) == pytest.approx(11.25)


@given(st.lists(st.floats(0, 12), min_size=15, max_size=15))
def test_stopping_early_gives_the_official_answer(radii_px: list[float]) -> None:
    clip = still()
    exceeding = sum(radius > 6 for radius in radii_px)
    official = exceeding >= 4
    for count in range(16):
        answer = is_dynamic(np.array(radii_px[:count]), clip)
        assert answer in (None, official)
    assert is_dynamic(np.array(radii_px), clip) is official


def test_clip_that_needs_no_moving_pair_is_dynamic_unless_it_is_one_frame() -> None:
    assert pairs_needed(len(kept_frames(still(4, 16)))) == 0
    assert is_dynamic(np.zeros(1), still(4, 16)) is True
    assert is_dynamic(np.zeros(0), still(2, 16)) is False
