"""Pixels of a frame that belong to the subject, for the shape error of the tiny world.

A pixel belongs to the body of the subject if its color is close to the prompt's subject colors, and
closer to them than to the outline, sky, hills and land. The dark outline separates the body from a
landmark of the same color behind it. The body in the frame is compared with the body in the drawn
subject, found by the same rule.

Shape letters: H height, W width, C color.
"""

from __future__ import annotations

import cv2
import numpy as np

from backbones.world.grammar import ScenePrompt
from backbones.world.palette import OUTLINE_RGB
from backbones.world.prompt_colors import (
    hills_C,
    land_range_HC,
    mixture_distance,
    sky_HC,
    subject_C,
)

# Largest mean absolute RGB difference of a pixel to the colors of the subject's body.
_BODY_TOLERANCE = 0.15
# Bodies closer than this to the color of the outline have no visible outline.
_DARK_TOLERANCE = 0.05


def shape_error(
    patch_HWC: np.ndarray,
    subject_HWC: np.ndarray,
    silhouette_HW: np.ndarray,
    prompt: ScenePrompt,
    first_row: int,
) -> float:
    """Return 1 - intersection over union of the bodies in the frame and in the drawn subject.

    In the frame, only connected parts count that lie at least half under the drawn body. Their
    holes are filled.

    Args:
        patch_HWC: part of a frame around the match, RGB in 0..1.
        subject_HWC: the subject drawn at the matched pose.
        silhouette_HW: pixels it covers.
        prompt: names the colors to look for.
        first_row: row of the frame where the patch begins.
    """
    drawn_HW = silhouette_HW & _is_body(subject_HWC, prompt, first_row)
    found_HW = _parts_under(_is_body(patch_HWC, prompt, first_row), drawn_HW)
    both = np.count_nonzero(found_HW & drawn_HW)
    return 1 - both / np.count_nonzero(found_HW | drawn_HW)


def _is_body(image_HWC: np.ndarray, prompt: ScenePrompt, first_row: int) -> np.ndarray:
    first, second = subject_C(prompt)
    outline = np.array(OUTLINE_RGB, np.float32)
    distance_HW = mixture_distance(image_HWC, first, second)
    others = [_background_distance(image_HWC, prompt, first_row)]
    if all(np.abs(color - outline).max() > _DARK_TOLERANCE for color in (first, second)):
        others.append(np.abs(image_HWC - outline).mean(2))
    return distance_HW < np.minimum.reduce(others).clip(max=_BODY_TOLERANCE)


def _parts_under(body_HW: np.ndarray, drawn_HW: np.ndarray) -> np.ndarray:
    """Return the connected parts of `body_HW` at least half under `drawn_HW`, holes filled."""
    count, labels_HW = cv2.connectedComponents(body_HW.astype(np.uint8), connectivity=4)
    areas = np.bincount(labels_HW.ravel(), minlength=count)
    under = np.bincount(labels_HW[drawn_HW], minlength=count)
    keep = under * 2 >= areas
    keep[0] = False
    parts = keep[labels_HW].astype(np.uint8)
    contours, _ = cv2.findContours(parts, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(parts, contours, -1, 1, cv2.FILLED) > 0


def _background_distance(image_HWC: np.ndarray, prompt: ScenePrompt, first_row: int) -> np.ndarray:
    """Return the mean absolute difference to the nearest of sky, hills and land of the prompt."""
    rows = range(first_row, first_row + len(image_HWC))
    darkest_HC, lightest_HC = land_range_HC(prompt, rows)
    return np.minimum.reduce(
        [
            np.abs(image_HWC - sky_HC(prompt, rows)[:, None]).mean(2),
            np.abs(image_HWC - hills_C(prompt)).mean(2),
            mixture_distance(image_HWC, darkest_HC[:, None], lightest_HC[:, None]),
        ]
    )
