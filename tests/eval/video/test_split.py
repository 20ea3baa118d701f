from __future__ import annotations

import weakref
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.video.split import Span, clip_length, plan_clips, split, stream_clips
from harness.core.errors import LongtakeError

clip_frames = st.integers(1, 40)
durations = st.dictionaries(
    st.sampled_from(["30", "60", "120"]), st.integers(1, 150), min_size=1, max_size=3
)


@pytest.mark.parametrize(
    ("num_frames", "expected"),
    [
        (31, [(0, 31)]),
        (32, [(0, 32)]),
        (64, [(0, 32), (32, 64)]),
        (70, [(0, 32), (32, 64), (38, 70)]),
    ],
)
def test_split_is_that_of_vbench_long(num_frames: int, expected: list[tuple[int, int]]) -> None:
    assert list(split(num_frames, 32)) == expected


def test_thirty_seconds_of_a_wan_backbone_are_fifteen_clips() -> None:
    assert len(split(477, clip_length(16))) == 15
    assert split(477, 32)[-1] == Span(445, 477)


@pytest.mark.parametrize(
    ("fps", "frames"), [(16, 32), (Fraction(30000, 1001), 58), (Fraction(24000, 1001), 46)]
)
def test_frame_rate_is_rounded_down_before_clips_are_measured(fps: Fraction, frames: int) -> None:
    assert clip_length(fps) == frames


def test_less_than_one_frame_per_second_is_an_error() -> None:
    with pytest.raises(LongtakeError, match="at least 1"):
        clip_length(Fraction(1, 2))


@given(st.integers(1, 500), clip_frames)
def test_clips_cover_all_frames_and_have_one_length(num_frames: int, length: int) -> None:
    clips = split(num_frames, length)
    assert {frame for clip in clips for frame in range(*clip)} == set(range(num_frames))
    assert {end - start for start, end in clips} == {min(length, num_frames)}
    assert all(early.start < late.start for early, late in pairwise(clips))


@given(durations, clip_frames)
def test_plan_gives_each_duration_its_own_split_and_each_clip_once(
    durations_frames: dict[str, int], length: int
) -> None:
    plan = plan_clips(durations_frames, length)
    assert len(set(plan.spans)) == len(plan.spans)
    for name, num_frames in durations_frames.items():
        assert tuple(plan.spans[i] for i in plan.durations[name]) == split(num_frames, length)
    assert {i for indices in plan.durations.values() for i in indices} == set(
        range(len(plan.spans))
    )
    assert plan.num_frames == max(durations_frames.values())


@pytest.mark.parametrize("durations_frames", [{}, {"30": 0}, {"30": 477, "60": -1}])
def test_durations_without_frames_are_an_error(durations_frames: dict[str, int]) -> None:
    with pytest.raises(LongtakeError, match="at least one"):
        plan_clips(durations_frames, 32)


@given(durations, clip_frames)
def test_streamed_clips_are_slices_of_the_video(
    durations_frames: dict[str, int], length: int
) -> None:
    plan = plan_clips(durations_frames, length)
    video = np.arange(plan.num_frames, dtype=np.uint16).reshape(-1, 1, 1, 1)
    clips = list(stream_clips(video, plan.spans))
    assert len(clips) == len(plan.spans)
    for clip, (start, end) in zip(clips, plan.spans, strict=True):
        np.testing.assert_array_equal(clip, video[start:end])
    for clip, (start, end) in zip(stream_clips(video, plan.spans, 3), plan.spans, strict=True):
        np.testing.assert_array_equal(clip, video[max(0, start - 3) : end])


def test_streaming_holds_no_more_frames_than_one_clip() -> None:
    plan = plan_clips({"30": 477, "60": 957}, clip_frames=32)
    alive: weakref.WeakSet[np.ndarray] = weakref.WeakSet()
    most = 0

    class Frame(np.ndarray):
        __hash__ = object.__hash__  # type: ignore[assignment]

    def video() -> Iterator[np.ndarray]:
        for _ in range(plan.num_frames):
            frame = np.zeros((2, 2, 3), np.uint8).view(Frame)
            alive.add(frame)
            yield frame

    for _ in stream_clips(video(), plan.spans):
        most = max(most, len(alive))
    assert 0 < most <= 32 + 1  # the generator above still holds the frame it handed out last
