"""The exact colors that a prompt determines: sky, hills, land and subject, as arrays.

RGB in 0..1, float32. Shape letters: H rows, C color.
"""

from __future__ import annotations

import numpy as np
import torch

from backbones.world.geometry import ground_y_bounds_px
from backbones.world.grammar import COLORS, SECOND_COLORS, ScenePrompt
from backbones.world.palette import COLOR_RGB, LAND_RGB, SKY_RGB, Rgb
from backbones.world.render import FAR_LAND_SHARE, land_shade, sky_rgb


def sky_HC(prompt: ScenePrompt, rows: range) -> np.ndarray:
    """Return the sky color of each screen row."""
    horizon, zenith = (torch.tensor(rgb) for rgb in SKY_RGB[prompt.sky])
    return sky_rgb(horizon, zenith, torch.tensor(rows)).T.numpy()


def hills_C(prompt: ScenePrompt) -> np.ndarray:
    """Return the color of the far hills."""
    horizon, _ = SKY_RGB[prompt.sky]
    return _array(LAND_RGB[prompt.land]) * FAR_LAND_SHARE + _array(horizon) * (1 - FAR_LAND_SHARE)


def land_range_HC(prompt: ScenePrompt, rows: range) -> tuple[np.ndarray, np.ndarray]:
    """Return the darkest and the lightest color that the near land can have in each screen row.

    The land darkens with its depth below the ground line, whose height has known bounds.
    """
    heights = torch.tensor(rows)[:, None]
    darkest, lightest = (land_shade(heights - line_px).numpy() for line_px in ground_y_bounds_px())
    land = _array(LAND_RGB[prompt.land])
    return land * darkest, land * lightest


def subject_C(prompt: ScenePrompt) -> tuple[np.ndarray, np.ndarray]:
    """Return the two colors of the subject; twice the same one if it is plain."""
    first = _array(COLOR_RGB[prompt.color])
    if prompt.pattern == "plain":
        return first, first
    return first, _array(COLOR_RGB[COLORS[SECOND_COLORS.index(prompt.second_color)]])


def mixture_distance(image_HWC: np.ndarray, start_C: np.ndarray, end_C: np.ndarray) -> np.ndarray:
    """Return the mean absolute RGB difference of each pixel to the nearest mixture of two colors.

    Nearest in the Euclidean sense. The two colors broadcast to the image: (C,) or (H, 1, C).
    """
    along = end_C - start_C
    length2 = (along**2).sum(-1).clip(min=1e-9)
    share_HW = (((image_HWC - start_C) * along).sum(-1) / length2).clip(0, 1)
    return np.abs(image_HWC - start_C - share_HW[..., None] * along).mean(-1)


def _array(rgb: Rgb) -> np.ndarray:
    return np.array(rgb, np.float32)
