from __future__ import annotations

import numpy as np
import pytest

from eval.metric import Direction, MetricInfo
from eval.scoring.selftest import FPS, STRENGTHS, _reaction, run_selftest
from eval.scoring.suite import Suite
from eval.video.degrade import DEGRADATIONS

PIXELS = Suite("pixels", "1", ("flicker_stability", "sharpness_retention", "sky_error"))
HIGHER = MetricInfo("m", "M", Direction.higher, "", "A test.")
LOWER = MetricInfo("m", "M", Direction.lower, "", "A test.")


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_degradation_keeps_the_shape_and_at_strength_zero_the_frames(kind: str, make_scene) -> None:
    frames, other = make_scene(seed=0).frames(96), make_scene(seed=1).frames(96)
    np.testing.assert_array_equal(DEGRADATIONS[kind](frames, other, 0.0, FPS), frames)
    weak, strong = (DEGRADATIONS[kind](frames, other, strength, FPS) for strength in (0.5, 1.0))
    for degraded in (weak, strong):
        assert degraded.shape == frames.shape and degraded.dtype == np.uint8
        assert (degraded != frames).any()

    def change(degraded: np.ndarray) -> float:
        return float(np.abs(degraded.astype(int) - frames).mean())

    assert change(weak) <= change(strong)


def test_verdicts() -> None:
    falling, rising = [[1.0, 0.8, 0.5]] * 2, [[0.5, 0.6, 0.9], [0.5, 0.7, 0.8]]
    assert _reaction(HIGHER, falling).verdict == "worse"
    assert _reaction(LOWER, falling).verdict == "better"
    assert _reaction(LOWER, rising).verdict == "worse"
    assert _reaction(HIGHER, [[1.0, 0.5, 0.8]]).verdict == "(worse)"
    assert _reaction(HIGHER, [[1.0, 1.001, 0.999]]).verdict == "blind"
    assert _reaction(HIGHER, [[1.0, 0.8, 0.5], [1.0, 1.1, 1.2]]).num_agreeing == 1


@pytest.mark.slow
def test_pixel_metrics_react_to_their_degradation(make_scene) -> None:
    videos = {str(seed): make_scene(seed=seed).frames(96) for seed in (0, 1)}
    seen: list[tuple[int, int]] = []
    result = run_selftest(videos, [PIXELS], lambda *counts: seen.append(counts))
    assert seen[-1][0] == seen[-1][1] == 2 * (1 + len(DEGRADATIONS) * (len(STRENGTHS) - 1))
    flicker = result.reactions["flicker_stability"]
    assert flicker["noise"].verdict == "worse"
    # Stillness is what it rewards: the flag says so.
    assert flicker["freeze"].verdict == "better"
    assert result.frozen["freeze"] == (0.0, 0.0, 1.0)  # at half strength one clip of three is still
    assert result.frozen["noise"][0] == 0.0
    assert result.reactions["sharpness_retention"]["growing blur"].verdict == "worse"
    assert "needs a prompt of the street" in result.missing["sky_error"]
    assert "sky_error" not in result.reactions
