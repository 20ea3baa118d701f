"""PSNR and SSIM of paired videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.errors import MetricUnavailable
from eval.metrics.fidelity import MOST_DB, fidelity, psnr_db, ssim


def grey(level: int, size: tuple[int, int] = (16, 24)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def test_constant_frames_have_the_values_of_the_formulas() -> None:
    assert psnr_db(grey(100), grey(110)) == pytest.approx(10 * np.log10(255**2 / 100))
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert ssim(grey(100), grey(110)) == pytest.approx(expected, abs=1e-9)
    assert (psnr_db(grey(7), grey(7)), ssim(grey(7), grey(7))) == (MOST_DB, pytest.approx(1))


def test_noise_lowers_both(make_scene) -> None:
    frame = make_scene().frames(1)[0]
    noise = np.random.default_rng(0).normal(0, 1, frame.shape)
    noisy = [(frame + strength * noise).clip(0, 255).astype(np.uint8) for strength in (2, 8, 32)]
    for measure in (psnr_db, ssim):
        values = [measure(frame, other) for other in noisy]
        assert values == sorted(values, reverse=True)
        assert measure(frame, noisy[1]) == pytest.approx(measure(noisy[1], frame))


def test_videos_are_compared_over_the_shorter(write_video: Callable[..., Path], make_scene) -> None:
    frames = make_scene().frames(20)
    long, short = write_video(frames, "a.mp4"), write_video(frames[:9], "b.mp4")
    found = fidelity(long, short)
    assert (found.num_frames, found.psnr_db) == (3, MOST_DB)
    with pytest.raises(MetricUnavailable, match="frames of 128x96 and 64x96"):
        fidelity(long, write_video(frames[:, :, :64], "c.mp4"))
    with pytest.raises(MetricUnavailable, match="smaller than 11 px"):
        fidelity(*[write_video(frames[:, :10])] * 2)
