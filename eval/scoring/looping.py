"""Detection of videos that return to their beginning.

A model whose attention collapses onto its first frames repeats them (sink collapse, LoL, arXiv
2601.16914). Consistency rewards that as it rewards a still picture. A script that brings its first
scene back is found as well: read the count beside the prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SIZE = (32, 18)
"""Width and height of the pictures that are compared."""
FRAME_STEP = 4
"""One frame per latent frame of the video VAE."""
LEFT_LEVELS = 12.0
"""Mean difference of luma, of 255 levels, from which the beginning is out of view."""
RETURN_SHARE = 0.25
"""A return: the difference falls to this share of the largest since the last one."""


@dataclass(frozen=True)
class Looping:
    """Returns of a video to its first frame, over one duration.

    Attributes:
        flag: there is at least one.
        num_returns: how often the picture, after it had left, was nearly that of the first frame.
    """

    flag: bool
    num_returns: int


class FirstFrame:
    """Differences of later frames to the first frame of a video."""

    def __init__(self) -> None:
        self._first: np.ndarray | None = None

    def levels(self, frames_FHWC: np.ndarray) -> np.ndarray:
        """Return the mean difference of luma of every fourth frame to the video's first frame.

        Args:
            frames_FHWC: RGB, uint8, of the next clip; the first call holds the first frame.
        """
        small = [_small(frame) for frame in frames_FHWC[::FRAME_STEP]]
        if self._first is None:
            self._first = small[0]
        return np.array([np.abs(picture - self._first).mean() for picture in small])


def looping(levels: Sequence[np.ndarray]) -> Looping | None:
    """Return the returns of a video; None for a single clip.

    Args:
        levels: of `FirstFrame.levels`, for each clip in order of time.
    """
    if len(levels) < 2:
        return None
    returns, farthest = 0, 0.0
    for level in np.concatenate(levels).tolist():
        farthest = max(farthest, level)
        if farthest >= LEFT_LEVELS and level <= RETURN_SHARE * farthest:
            returns, farthest = returns + 1, 0.0
    return Looping(returns > 0, returns)


def _small(frame_HWC: np.ndarray) -> np.ndarray:
    import cv2  # status and list read these results without any picture

    luma = cv2.cvtColor(frame_HWC, cv2.COLOR_RGB2GRAY)
    return cv2.resize(luma, SIZE, interpolation=cv2.INTER_AREA).astype(np.float64)
