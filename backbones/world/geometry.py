"""Geometry of the tiny world: positions of camera, ground and subject, and their bounds.

Everything here is exact ground truth. The world is periodic in the camera position
(`WORLD_WIDTH_PX`), so past frames that show the same place are known.

Screen coordinates: x to the right, y downwards, pixel (0, 0) is the top left one; pixels sit at
whole numbers. Shape letters: B scene, F frame, L landmark, W width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Real
from torch import Tensor

from backbones.world.grammar import MOTIONS, ScenePrompt
from backbones.world.scene import (
    HILL_AMPLITUDES_PX,
    LANDMARK_SCALES,
    SUBJECT_X_PX,
    WORLD_WIDTH_PX,
    SceneBatch,
)

HEIGHT_PX = WIDTH_PX = 128

GROUND_BASE_PX = 92.0
GROUND_GAIN = 0.6
# Height of the subject's centre above the ground below it.
SUBJECT_LIFT_PX = 17.0
HOP_HEIGHT_PX = 22.0
BOB_HEIGHT_PX = 2.0
SWAY_PX = 8.0
# Largest distance of a silhouette's edge from the subject's centre.
SUBJECT_RADIUS_PX = {"ball": 19.0, "box": 16 * math.sqrt(2), "kite": 20 / 0.7, "star": 20.5}
# Height of the crown of a tree of nominal size above the ground.
TREE_HEIGHT_PX = 41.0
# Edges are soft: at this distance outside, the coverage is below 1/400.
SOFT_EDGE_PX = 4.0

_DRIFTING, _RUSHING, _PACING, _HOPPING = range(len(MOTIONS))
_PACING_PERIOD_FRAMES = 150.0


@dataclass(frozen=True, eq=False)
class SubjectPose:
    """Place and rotation of the subject on the screen.

    Attributes:
        center_x_px, center_y_px: place of the centre.
        rotation_rad: clockwise turn as seen on the screen; unbounded.
    """

    center_x_px: Float[Tensor, "scene frame"]
    center_y_px: Float[Tensor, "scene frame"]
    rotation_rad: Float[Tensor, "scene frame"]


def camera_x(scenes: SceneBatch, frames: Real[Tensor, " frame"]) -> Float[Tensor, "scene frame"]:
    """Return the world x (px, unbounded) of the left screen border at frame numbers `frames`."""
    times_F = frames.to(scenes.device)[None].float()
    motion = scenes.motion[:, None]
    start_px, velocity = scenes.start_x_px[:, None], (scenes.direction * scenes.speed)[:, None]
    steady_px = start_px + velocity * times_F * torch.where(motion == _RUSHING, 2.2, 1.1)
    to_and_fro = (2 * ((times_F / _PACING_PERIOD_FRAMES) % 1) - 1).abs() * _PACING_PERIOD_FRAMES
    pacing_px = start_px + velocity * 1.3 * to_and_fro
    return torch.where(motion == _PACING, pacing_px, steady_px)


def hill_waves(
    scenes: SceneBatch, x_px: Float[Tensor, "scene ..."], gain: float, periods: int = 1
) -> Float[Tensor, "scene ..."]:
    """Return the sum of the hill harmonics (px) at world positions `x_px`.

    Args:
        scenes: scenes with amplitudes and phases of the harmonics.
        x_px: positions; the first axis is the scene.
        gain: factor on every amplitude.
        periods: repetitions of the waves within `WORLD_WIDTH_PX`.
    """
    column = (slice(None),) + (None,) * (x_px.ndim - 1)
    waves = torch.zeros_like(x_px)
    for index in range(len(HILL_AMPLITUDES_PX)):
        angle_rad = 2 * math.pi * (index + 1) * x_px / WORLD_WIDTH_PX * periods
        phase_rad = scenes.hill_phase_rad[:, index][column]
        amplitude_px = gain * scenes.hill_amplitude_px[:, index][column]
        waves = waves + amplitude_px * torch.sin(angle_rad + phase_rad)
    return waves


def ground_y(scenes: SceneBatch, x_px: Float[Tensor, "scene ..."]) -> Float[Tensor, "scene ..."]:
    """Return the screen y (px) of the ground line at world positions `x_px`."""
    return GROUND_BASE_PX + hill_waves(scenes, x_px, GROUND_GAIN)


def landmark_screen_x(
    scenes: SceneBatch, camera_x_px: Float[Tensor, "scene frame"]
) -> Float[Tensor, "scene frame landmark"]:
    """Return the screen x (px) of each landmark; far outside 0..127 when it is out of sight."""
    half_px = WORLD_WIDTH_PX / 2
    ahead_px = scenes.landmark_x_px[:, None] - camera_x_px[:, :, None]
    x_px = (ahead_px + half_px) % WORLD_WIDTH_PX - half_px
    return torch.where(x_px < -60, x_px + WORLD_WIDTH_PX, x_px)


def subject_pose(scenes: SceneBatch, frames: Real[Tensor, " frame"]) -> SubjectPose:
    """Return centre and rotation of the subject at frame numbers `frames`."""
    times_F = frames.to(scenes.device)[None].float()
    motion, phase_rad = scenes.motion[:, None], scenes.bob_phase_rad[:, None]
    sway_px = SWAY_PX * torch.sin(2 * math.pi * times_F / 90 + phase_rad)
    x_px = scenes.subject_x_px[:, None] + sway_px
    hop_px = torch.sin(2 * math.pi * times_F / 14 + phase_rad).abs() * HOP_HEIGHT_PX
    bob_px = BOB_HEIGHT_PX * torch.sin(2 * math.pi * times_F / 20 + phase_rad)
    world_x_px = camera_x(scenes, frames) + x_px
    rise_px = torch.where(motion == _HOPPING, hop_px, bob_px)
    turn_rad = world_x_px / 19.0 * torch.where(motion == _RUSHING, 0.6, 0.45)
    return SubjectPose(
        center_x_px=x_px,
        center_y_px=ground_y(scenes, world_x_px) - SUBJECT_LIFT_PX - rise_px,
        rotation_rad=turn_rad,
    )


def ground_y_bounds_px() -> tuple[float, float]:
    """Return the smallest and the largest y of the ground line in any scene."""
    reach_px = GROUND_GAIN * sum(HILL_AMPLITUDES_PX)
    return GROUND_BASE_PX - reach_px, GROUND_BASE_PX + reach_px


def subject_y_bounds_px(prompt: ScenePrompt) -> tuple[float, float]:
    """Return the smallest and the largest y of the subject's centre for the prompt's motion."""
    top_px, bottom_px = ground_y_bounds_px()
    hops = prompt.motion == MOTIONS[_HOPPING]
    rise_px, fall_px = (HOP_HEIGHT_PX, 0.0) if hops else (BOB_HEIGHT_PX, BOB_HEIGHT_PX)
    return top_px - SUBJECT_LIFT_PX - rise_px, bottom_px - SUBJECT_LIFT_PX + fall_px


def subject_x_bounds_px() -> tuple[float, float]:
    """Return the smallest and the largest x of the subject's centre in any scene."""
    left_px, right_px = SUBJECT_X_PX
    return left_px - SWAY_PX, right_px + SWAY_PX


def sky_rows(prompt: ScenePrompt) -> range:
    """Return the screen rows that show only sky in every scene of the prompt."""
    landmark_top_px = ground_y_bounds_px()[0] - TREE_HEIGHT_PX * LANDMARK_SCALES[1]
    subject_top_px = subject_y_bounds_px(prompt)[0] - SUBJECT_RADIUS_PX[prompt.shape]
    return range(math.floor(min(landmark_top_px, subject_top_px) - SOFT_EDGE_PX) + 1)


def land_rows(prompt: ScenePrompt) -> range:
    """Return the screen rows that show only the near land in every scene of the prompt."""
    subject_bottom_px = subject_y_bounds_px(prompt)[1] + SUBJECT_RADIUS_PX[prompt.shape]
    lowest_px = max(ground_y_bounds_px()[1], subject_bottom_px)
    return range(math.ceil(lowest_px + SOFT_EDGE_PX), HEIGHT_PX)
