from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.scoring.drift import drift
from eval.scoring.looping import FirstFrame, looping
from eval.scoring.stillness import STILL_PX, stillness


def test_slope_and_halves_of_a_straight_line() -> None:
    middles_s = [1.0, 3.0, 5.0, 7.0]
    found = drift(middles_s, [0.9, 0.8, 0.7, 0.6], [1.0, 0.9, 0.5, 0.3], duration_s=8)
    assert found is not None
    assert found.slope_per_min == pytest.approx(-0.05 * 60)
    assert (found.early_half, found.late_half) == (pytest.approx(0.85), pytest.approx(0.65))
    assert found.late_similarity == pytest.approx(0.4)


def test_one_clip_has_no_drift_and_features_are_optional() -> None:
    assert drift([1.0], [0.9], None, duration_s=2) is None
    both = drift([1.0, 3.0], [0.9, 0.8], None, duration_s=4)
    assert both is not None and both.late_similarity is None


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30), st.floats(-5, 5))
def test_a_shift_moves_the_halves_and_leaves_the_slope(values: list[float], shift: float) -> None:
    middles_s = [1.0 + 2 * i for i in range(len(values))]
    before = drift(middles_s, values, None, 2 * len(values))
    after = drift(middles_s, [value + shift for value in values], None, 2 * len(values))
    assert before is not None and after is not None
    assert after.slope_per_min == pytest.approx(before.slope_per_min, abs=1e-6)
    assert after.late_half == pytest.approx(before.late_half + shift, abs=1e-9)


def test_video_is_frozen_if_half_of_its_clips_are_still() -> None:
    still, moving = STILL_PX / 2, STILL_PX * 2
    flags = [stillness([still] * n + [moving] * (4 - n)) for n in range(5)]
    assert [flag.flag for flag in flags if flag] == [False, False, True, True, True]
    assert [flag.still_share for flag in flags if flag] == list(np.arange(5) / 4)
    assert stillness([None, None]) is None
    half = stillness([None, still])
    assert half is not None and half.still_share == 1


def clips_of(levels: list[float]) -> list[np.ndarray]:
    """Clips whose frames differ in luma from black by these levels."""
    watch = FirstFrame()
    frames = np.array([0, *levels]).astype(np.uint8)[:, None, None, None]
    video = np.broadcast_to(frames, (len(frames), 36, 64, 3)).repeat(4, axis=0)
    return [watch.levels(video[start : start + 8]) for start in range(0, len(video), 8)]


@pytest.mark.parametrize(
    ("levels", "returns"),
    [
        ([10, 20, 30, 40, 50], 0),  # drifts away
        ([10, 40, 42, 5, 6], 1),  # returns and stays
        ([40, 0, 40, 0, 40], 2),  # loops
        ([4, 1, 4, 1, 0], 0),  # never leaves
        ([40, 20, 40, 20, 30], 0),  # never gets near
        ([0, 0, 0, 0, 0], 0),  # stands still
    ],
)
def test_returns_to_the_first_frame_are_counted(levels: list[float], returns: int) -> None:
    found = looping(clips_of(levels))
    assert found is not None and (found.num_returns, found.flag) == (returns, returns > 0)


def test_one_clip_has_nothing_to_return_from() -> None:
    assert looping(clips_of([40])) is None
