from __future__ import annotations

import pytest

from eval.clip import ScoredSegment
from eval.scoring.results import ScoredClip
from eval.scoring.segments import scored_segments, segment_means, segment_of

SEGMENTS = (ScoredSegment(0, "a fox"), ScoredSegment(41, "a boat"), ScoredSegment(80, "a star"))
STARTS, PROMPTS = (0, 41, 80), ("a fox", "a boat", "a star")


def clips(*ends: int) -> list[ScoredClip]:
    """Consecutive clips that end at these frames."""
    starts = (0, *ends)
    return [ScoredClip(a, b, a / 16, b / 16, "") for a, b in zip(starts, ends, strict=False)]


@pytest.mark.parametrize(("num_frames", "number"), [(200, 3), (81, 3), (80, 2), (41, 1)])
def test_segments_after_the_scored_frames_are_left_out(num_frames: int, number: int) -> None:
    assert scored_segments(STARTS, PROMPTS, num_frames) == SEGMENTS[:number]


def test_a_single_prompt_has_no_segments() -> None:
    assert scored_segments((0,), ("a fox",), 200) == ()


def test_a_clip_belongs_to_the_segment_that_holds_its_middle() -> None:
    spans = [(0, 32), (32, 64), (64, 96), (96, 128)]
    assert [segment_of(SEGMENTS, start, end) for start, end in spans] == [0, 1, 2, 2]


def test_means_by_segment() -> None:
    assert segment_means(SEGMENTS, clips(32, 64, 96, 128), [1, 2, 3, 5]) == (1, 2, 4)


def test_a_failed_or_missing_clip_leaves_its_segment_without_a_number() -> None:
    assert segment_means(SEGMENTS, clips(32, 64, 96, 128), [1, 2, 3, None]) == (1, 2, None)
    assert segment_means(SEGMENTS, clips(32, 64), [1, 2]) == (1, 2, None)
