"""Rendering of the tiny world: layers painted over each other, from the sky to the subject.

The picture is a side-scrolling landscape, 128x128 at 16 fps: sky gradient, far hills, landmarks,
shaded near land, subject. Every layer is a color and a coverage. The tiny backbone was trained on
exactly these pictures.

Shape letters: B scene, F frame, H height, W width, C color. Layers broadcast to BCFHW and BFHW.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Real, UInt8
from torch import Tensor

from backbones.world.geometry import (
    HEIGHT_PX,
    WIDTH_PX,
    camera_x,
    ground_y,
    hill_waves,
    landmark_screen_x,
    subject_pose,
)
from backbones.world.palette import COLOR_RGB, LAND_RGB, SKY_RGB, TRUNK_RGB, WINDOW_RGB
from backbones.world.scene import LANDMARK_KINDS, NUM_LANDMARKS, SceneBatch
from backbones.world.subject import SubjectLook, draw_subject

if TYPE_CHECKING:
    Layer = tuple[Tensor, Tensor]

FAR_BASE_PX, FAR_GAIN, FAR_PARALLAX, FAR_OFFSET_PX = 74.0, 0.8, 0.5, 70.0
# Share of the land's color in the far hills; the rest is haze in the color of the horizon.
FAR_LAND_SHARE = 0.55
# The sky reaches the horizon's color at row 128 / 1.3.
SKY_STEEPNESS = 1.3
# The land darkens below the ground line: largest darkening, and the depth where it is reached.
SHADE, SHADE_DEPTH_PX = 0.25, 40.0


def render(
    scenes: SceneBatch, frames: Real[Tensor, " frame"]
) -> Float[Tensor, "scene 3 frame height width"]:
    """Render every scene at frame numbers `frames`: RGB in -1..1, on the device of the scenes."""
    x_px = torch.arange(WIDTH_PX, device=scenes.device).float()
    y_px = torch.arange(HEIGHT_PX, device=scenes.device).float()
    camera_x_px = camera_x(scenes, frames)
    image = _sky(scenes, y_px)
    for color, coverage in (
        _far_hills(scenes, camera_x_px, x_px, y_px),
        *_landmarks(scenes, camera_x_px, x_px, y_px),
        _near_land(scenes, camera_x_px, x_px, y_px),
        draw_subject(SubjectLook.of_scenes(scenes), subject_pose(scenes, frames), x_px, y_px),
    ):
        image = image * (1 - coverage[:, None]) + color * coverage[:, None]
    return image.clamp(0, 1) * 2 - 1


def to_uint8_frames(
    video: Float[Tensor, "scene 3 frame height width"],
) -> UInt8[np.ndarray, "scene frame height width 3"]:
    """Convert a video to RGB, 0..255, channels last."""
    return ((video + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1).cpu().numpy()


def sky_rgb(
    horizon: Float[Tensor, "... 3"], zenith: Float[Tensor, "... 3"], y_px: Tensor
) -> Float[Tensor, "... 3 height"]:
    """Return the sky color at screen heights `y_px`."""
    share = (y_px / HEIGHT_PX * SKY_STEEPNESS).clamp(0, 1)
    return horizon[..., None] * share + zenith[..., None] * (1 - share)


def land_shade(depth_px: Tensor) -> Tensor:
    """Return the factor on the land's color at a depth below the ground line."""
    return 1 - SHADE * (depth_px / SHADE_DEPTH_PX).clamp(0, 1)


def _sky(scenes: SceneBatch, y_px: Tensor) -> Tensor:
    horizon, zenith = _sky_ends(scenes)
    return sky_rgb(horizon, zenith, y_px)[:, :, None, :, None]


def _sky_ends(scenes: SceneBatch) -> tuple[Tensor, Tensor]:
    ends = torch.tensor(list(SKY_RGB.values()), device=scenes.device)[scenes.sky]
    return ends[:, 0], ends[:, 1]


def _land(scenes: SceneBatch) -> Tensor:
    return torch.tensor(list(LAND_RGB.values()), device=scenes.device)[scenes.land]


def _far_hills(scenes: SceneBatch, camera_x_px: Tensor, x_px: Tensor, y_px: Tensor) -> Layer:
    places_BFW = camera_x_px[:, :, None] * FAR_PARALLAX + x_px + FAR_OFFSET_PX
    line_BFW = FAR_BASE_PX + hill_waves(scenes, places_BFW, FAR_GAIN, periods=2)
    color = _land(scenes) * FAR_LAND_SHARE + _sky_ends(scenes)[0] * (1 - FAR_LAND_SHARE)
    coverage = torch.sigmoid((y_px[:, None] - line_BFW[:, :, None]) * 1.5)
    return color[:, :, None, None, None], coverage


def _near_land(scenes: SceneBatch, camera_x_px: Tensor, x_px: Tensor, y_px: Tensor) -> Layer:
    line_BFW = ground_y(scenes, camera_x_px[:, :, None] + x_px)
    depth_BFHW = y_px[:, None] - line_BFW[:, :, None]
    color = _land(scenes)[:, :, None, None, None] * land_shade(depth_BFHW)[:, None]
    return color, torch.sigmoid(depth_BFHW * 1.5)


def _landmarks(
    scenes: SceneBatch, camera_x_px: Tensor, x_px: Tensor, y_px: Tensor
) -> Iterator[Layer]:
    """Yield three layers per landmark: trunk, body and window; those its kind lacks are empty."""
    screen_x_px = landmark_screen_x(scenes, camera_x_px)
    base_y_px = ground_y(scenes, scenes.landmark_x_px)
    rgb = torch.tensor(list(COLOR_RGB.values()), device=scenes.device)[scenes.landmark_color]
    trunk_rgb, window_rgb = (
        torch.tensor(color, device=scenes.device)[None, :, None, None, None]
        for color in (TRUNK_RGB, WINDOW_RGB)
    )
    for index in range(NUM_LANDMARKS):
        scale, kind = (
            values[:, index, None, None, None]
            for values in (scenes.landmark_scale, scenes.landmark_kind)
        )
        aside_px = (x_px - screen_x_px[:, :, index, None, None]).abs()
        height_px = base_y_px[:, index, None, None, None] - y_px[:, None]
        is_tree, is_house, _ = (kind == number for number in range(len(LANDMARK_KINDS)))
        body = torch.where(
            is_tree,
            _crown(aside_px, height_px, scale),
            torch.where(
                is_house, _walls(aside_px, height_px, scale), _cone(aside_px, height_px, scale)
            ),
        )
        yield trunk_rgb, _trunk(aside_px, height_px, scale) * is_tree
        yield rgb[:, index, :, None, None, None], body
        yield window_rgb, _window(aside_px, height_px, scale) * is_house


# Coverage of a landmark's parts. aside_px: horizontal distance from its axis; height_px: above the
# ground at its foot; scale: its size.


def _trunk(aside_px: Tensor, height_px: Tensor, scale: Tensor) -> Tensor:
    width = torch.sigmoid((3 * scale - aside_px) * 2)
    return width * torch.sigmoid((18 * scale - height_px) * 2) * _above_foot(height_px, 4)


def _crown(aside_px: Tensor, height_px: Tensor, scale: Tensor) -> Tensor:
    radius_px = (aside_px**2 + (height_px - 28 * scale) ** 2).clamp_min(1e-3).sqrt()
    return torch.sigmoid((13 * scale - radius_px) * 1.5)


def _walls(aside_px: Tensor, height_px: Tensor, scale: Tensor) -> Tensor:
    above_px = (height_px - 10 * scale).abs() * 1.1
    return torch.sigmoid((13 * scale - torch.maximum(aside_px, above_px)) * 2)


def _window(aside_px: Tensor, height_px: Tensor, scale: Tensor) -> Tensor:
    above_px = (height_px - 11 * scale).abs()
    return torch.sigmoid((4 * scale - torch.maximum(aside_px, above_px)) * 2)


def _cone(aside_px: Tensor, height_px: Tensor, scale: Tensor) -> Tensor:
    sides = torch.sigmoid(((38 * scale - height_px) * 0.38 - aside_px) * 2)
    return sides * _above_foot(height_px, 3)


def _above_foot(height_px: Tensor, depth_px: float) -> Tensor:
    """Return the coverage that ends a part `depth_px` below the ground, hidden by the near land."""
    return torch.sigmoid((height_px + depth_px) * 2)
