"""Likeness of two videos of one prompt and seed, frame by frame: PSNR, SSIM and LPIPS.

A cache that drops or compresses keys and values is judged by how near its video stays to that of
the full cache. Both must be made from the same noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from eval.clip import Clip
from eval.errors import MetricUnavailable
from eval.network import Runner
from eval.video.decode import read_frames

FRAME_STEP = 4
"""One frame per latent frame of the video VAE."""
MOST_DB = 100.0
"""PSNR of two equal frames, which has no finite value."""
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True)
class Fidelity:
    """Likeness of a video to a reference.

    Attributes:
        psnr_db: mean over frames of the peak signal-to-noise ratio, at most `MOST_DB` each.
        ssim: mean over frames of the structural similarity of luma.
        lpips: mean over frames of LPIPS, 0 for equal frames; NaN where it was not computed.
        num_frames: frames that were compared, every fourth of the shorter video.
    """

    psnr_db: float
    ssim: float
    lpips: float
    num_frames: int


def fidelity(video: Path, reference: Path, lpips: Runner | None = None) -> Fidelity:
    """Compare two videos over the length of the shorter one.

    Args:
        video: a video file.
        reference: the file it is compared with.
        lpips: `eval.networks.lpips.LPIPS`, loaded; None leaves it out.

    Raises:
        MetricUnavailable: the videos have frames of different sizes, or smaller than 11 px.
        VideoDamaged: one cannot be read.
    """
    levels_db, similarities, distances = [], [], []
    pairs = zip(read_frames(video), read_frames(reference), strict=False)
    for index, (frame_HWC, other_HWC) in enumerate(pairs):
        if frame_HWC.shape != other_HWC.shape:
            sizes = " and ".join(f"{f.shape[1]}x{f.shape[0]}" for f in (frame_HWC, other_HWC))
            raise MetricUnavailable(f"the videos have frames of {sizes}")
        if index % FRAME_STEP == 0:
            levels_db.append(psnr_db(frame_HWC, other_HWC))
            similarities.append(ssim(frame_HWC, other_HWC))
            distances.append(math.nan if lpips is None else _distance(lpips, frame_HWC, other_HWC))
    return Fidelity(
        psnr_db=float(np.mean(levels_db)),
        ssim=float(np.mean(similarities)),
        lpips=float(np.mean(distances)),
        num_frames=len(levels_db),
    )


def _distance(lpips: Runner, a_HWC: np.ndarray, b_HWC: np.ndarray) -> float:
    """Return LPIPS of two frames; NaN where they are too small for it."""
    try:
        return float(lpips(Clip(np.stack([a_HWC, b_HWC]), 0, 1, ""))[0])
    except MetricUnavailable:
        return math.nan


def psnr_db(a_HWC: np.ndarray, b_HWC: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of two RGB frames of 8 bits, at most `MOST_DB`."""
    mean_squared = np.mean((a_HWC.astype(np.float64) - b_HWC) ** 2)
    return MOST_DB if mean_squared == 0 else min(MOST_DB, 10 * math.log10(255**2 / mean_squared))


def ssim(a_HWC: np.ndarray, b_HWC: np.ndarray) -> float:
    """Return the structural similarity of the luma of two RGB frames.

    Source: Wang et al. (2004): Gaussian window of 11 px and 1.5 px, K 0.01 and 0.03, mean over the
    places where the window lies within the frame.

    Raises:
        MetricUnavailable: the frame is smaller than the window.
    """
    if min(a_HWC.shape[:2]) < _WINDOW:
        raise MetricUnavailable(f"frames smaller than {_WINDOW} px have no structural similarity")
    a, b = (cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(np.float64) for f in (a_HWC, b_HWC))
    mean_a, mean_b = _blurred(a), _blurred(b)
    spread_a = _blurred(a * a) - mean_a**2
    spread_b = _blurred(b * b) - mean_b**2
    common = _blurred(a * b) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + _C1) * (2 * common + _C2)
    likeness /= (mean_a**2 + mean_b**2 + _C1) * (spread_a + spread_b + _C2)
    edge = _WINDOW // 2
    return float(likeness[edge : -edge or None, edge : -edge or None].mean())


def _blurred(image_HW: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image_HW, (_WINDOW, _WINDOW), _SIGMA)
