"""The subject of the tiny world: a shape with a pattern and a dark outline.

One function draws it, both for the rendered world and for the templates of the subject metrics.
Shape letters: B scene, F frame, H height, W width, C color.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from backbones.world.geometry import SubjectPose
from backbones.world.grammar import COLORS, PATTERNS, SECOND_COLORS, SHAPES, ScenePrompt
from backbones.world.palette import COLOR_RGB, OUTLINE_RGB

if TYPE_CHECKING:
    from backbones.world.scene import SceneBatch

OUTLINE_WIDTH_PX = 2.2


@dataclass(frozen=True, eq=False)
class SubjectLook:
    """Appearance of subjects; the first axis is the scene.

    Attributes:
        shape: index into `SHAPES`.
        pattern: index into `PATTERNS`.
        color_rgb, second_rgb: the two colors, 0..1.
    """

    shape: Int[Tensor, " scene"]
    pattern: Int[Tensor, " scene"]
    color_rgb: Float[Tensor, "scene 3"]
    second_rgb: Float[Tensor, "scene 3"]

    @classmethod
    def of_scenes(cls, scenes: SceneBatch) -> SubjectLook:
        """Return the appearance of the subjects of a batch of scenes."""
        rgb = torch.tensor(list(COLOR_RGB.values()), device=scenes.device)
        return cls(scenes.shape, scenes.pattern, rgb[scenes.color], rgb[scenes.second_color])

    @classmethod
    def of_prompt(cls, prompt: ScenePrompt) -> SubjectLook:
        """Return the appearance that a prompt asks for, as a batch of one."""
        second_color = COLORS[SECOND_COLORS.index(prompt.second_color)]
        return cls(
            torch.tensor([SHAPES.index(prompt.shape)]),
            torch.tensor([PATTERNS.index(prompt.pattern)]),
            torch.tensor([COLOR_RGB[prompt.color]]),
            torch.tensor([COLOR_RGB[second_color]]),
        )


def draw_subject(
    look: SubjectLook,
    pose: SubjectPose,
    x_px: Float[Tensor, " width"],
    y_px: Float[Tensor, " height"],
) -> tuple[Float[Tensor, "scene 3 frame height width"], Float[Tensor, "scene frame height width"]]:
    """Return color and coverage (0..1) of the subject at the pixels of the grid `x_px`, `y_px`."""
    dx_px = x_px - pose.center_x_px[:, :, None, None]
    dy_px = y_px[:, None] - pose.center_y_px[:, :, None, None]
    cos, sin = (f(pose.rotation_rad)[:, :, None, None] for f in (torch.cos, torch.sin))
    along_px, across_px = dx_px * cos + dy_px * sin, -dx_px * sin + dy_px * cos
    radius_px = (along_px**2 + across_px**2).clamp_min(1e-3).sqrt()
    outside_px = _outside_px(look.shape, along_px, across_px, radius_px)
    mix_BFHW = _second_color_share(look.pattern, along_px, radius_px)[:, None]
    first, second = (rgb[:, :, None, None, None] for rgb in (look.color_rgb, look.second_rgb))
    body = first * (1 - mix_BFHW) + second * mix_BFHW
    inner_BFHW = torch.sigmoid((-outside_px - OUTLINE_WIDTH_PX) * 2)[:, None]
    outline = torch.tensor(OUTLINE_RGB, device=body.device)[None, :, None, None, None]
    return body * inner_BFHW + outline * (1 - inner_BFHW), torch.sigmoid(-outside_px * 2)


def _outside_px(shape: Tensor, along: Tensor, across: Tensor, radius: Tensor) -> Tensor:
    """Return the approximate distance to the shape's edge; negative inside."""
    chosen = shape[:, None, None, None]
    outside = radius - 19
    # Skip shapes that no scene has: templates have one shape only.
    for index, name in enumerate(SHAPES):
        if name == "ball" or not (shape == index).any():
            continue
        if name == "box":
            distance = torch.maximum(along.abs(), across.abs()) - 16
        elif name == "kite":
            distance = along.abs() + across.abs() * 0.7 - 20
        else:
            distance = radius - (15.5 + 5 * torch.cos(5 * torch.atan2(across, along)))
        outside = torch.where(chosen == index, distance, outside)
    return outside


def _second_color_share(pattern: Tensor, along: Tensor, radius: Tensor) -> Tensor:
    """Return the share of the second color at each point, 0..1."""
    chosen = pattern[:, None, None, None]
    share = torch.zeros_like(radius)
    for index, name in enumerate(PATTERNS):
        if name == "plain" or not (pattern == index).any():
            continue
        if name == "striped":
            waves = torch.sin(along * 0.42) * 5
        elif name == "halved":
            waves = along * 1.2
        else:
            waves = torch.sin(radius * 0.5) * 5
        share = torch.where(chosen == index, torch.sigmoid(waves), share)
    return share
