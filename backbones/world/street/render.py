"""Pictures of a street, 64x64: sky, hills whose colour depends on the place, land, what is on it.

In one lap the hills run through the colour circle once. They distinguish the places of a street but
contain nothing of the figures there, so a model must remember the figure as well as the place.

Letters: F frame, H row, W column, C color.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from backbones.world.looks import COLOR_RGB, LAND_RGB, OUTLINE_RGB, SKIES, SKY_RGB
from backbones.world.street.actors import SIDE_PX, actors, drawing_order
from backbones.world.street.scene import Figure, Street
from backbones.world.street.script import CameraPath, Script

HORIZON_PX, HILL_BASE_PX = 44, 35
HILL_AMPLITUDES_PX = (3.5, 2.5, 1.5)
HAZE = 0.35  # share of the horizon's color in the hills
SKY_STEEPNESS = 1.3
# What is left of the colors of hills, land and figures under each sky.
LIGHT = {"dawn": 0.95, "noon": 1.0, "dusk": 0.8, "night": 0.55}
OUTLINE_PX = 1.8


def render(street: Street, script: Script) -> Float[Tensor, "frame 3 height width"]:
    """Return the video of a script, RGB in -1..1."""
    return render_frames(street, script, torch.arange(script.num_frames))


def render_frames(
    street: Street, script: Script, frames: Tensor
) -> Float[Tensor, "frame 3 height width"]:
    """Return some video frames of a script, RGB in -1..1."""
    path = script.path
    path = CameraPath(path.x_px[frames], path.tilt_px[frames], path.sky[frames])
    pixel = torch.arange(SIDE_PX).float()
    height_FH = pixel - path.tilt_px[:, None]  # the row of a picture that looks ahead
    place_FW = (street.start_px + path.x_px[:, None] + pixel) * (2 * math.pi / street.lap_px)
    light_F1 = path.sky @ torch.tensor([LIGHT[sky] for sky in SKIES])[:, None]
    horizon_F3 = _sky_end(path.sky, 0)
    image = sky_rgb(path.sky, height_FH)[..., None].expand(-1, -1, -1, SIDE_PX)

    hill_line_FW = torch.full_like(place_FW, HILL_BASE_PX)
    waves = zip(HILL_AMPLITUDES_PX, street.hill_phases_rad, strict=True)
    for order, (amplitude_px, phase_rad) in enumerate(waves, start=1):
        hill_line_FW += amplitude_px * torch.sin(order * place_FW + phase_rad)
    hill_FCW = _hue_rgb(place_FW / (2 * math.pi) + street.hue) * light_F1[:, None]
    hill_FCW = hill_FCW * (1 - HAZE) + horizon_F3[:, :, None] * HAZE
    image = _over(image, hill_FCW[:, :, None], _below(height_FH, hill_line_FW))

    land_3 = torch.tensor(LAND_RGB[script.prompts[0].land])
    land_line_FW = HORIZON_PX + 1.5 * torch.sin(2 * place_FW + street.hill_phases_rad[0])
    land_FC11 = (land_3 * light_F1)[:, :, None, None]
    image = _over(image, land_FC11, _below(height_FH, land_line_FW))

    for figure, x_F, y_F in drawing_order(script, actors(street, script, frames)):
        near = ((x_F - SIDE_PX / 2).abs() < SIDE_PX / 2 + 2 * figure.radius_px).nonzero()[:, 0]
        dx = (pixel - x_F[near, None])[:, None, :]
        dy = (height_FH[near] - y_F[near, None])[:, :, None]
        color_fCHW, cover_fHW = _draw(figure, dx, dy)
        lit = color_fCHW * light_F1[near, :, None, None]
        image = image.index_copy(0, near, _over(image[near], lit, cover_fHW))
    return image.clamp(0, 1) * 2 - 1


def sky_rgb(
    sky: Float[Tensor, "frame sky"], height_px: Float[Tensor, "frame row"]
) -> Float[Tensor, "frame 3 row"]:
    """Return the colors of the sky, 0..1, from the shares of the skies and the rows seen ahead."""
    share_F1H = (height_px / SIDE_PX * SKY_STEEPNESS).clamp(0, 1)[:, None]
    return _sky_end(sky, 0)[:, :, None] * share_F1H + _sky_end(sky, 1)[:, :, None] * (1 - share_F1H)


def _sky_end(sky: Tensor, end: int) -> Float[Tensor, "frame 3"]:
    """Return the color of the sky at the horizon (0) or at the zenith (1)."""
    return sky @ torch.tensor([SKY_RGB[name][end] for name in SKIES])


def cover(figure: Figure, dx: Tensor, dy: Tensor) -> Tensor:
    """Return the coverage, 0..1, of pixels at these distances from the centre of a figure."""
    return (0.5 - _distance(figure, dx, dy)).clamp(0, 1)


def _draw(figure: Figure, dx: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
    """Return a figure's colors (F C H W) and coverage (F H W)."""
    distance_FHW = _distance(figure, dx, dy)
    first, second = (
        torch.tensor(list(COLOR_RGB.values())[index])[:, None, None]
        for index in (figure.color, figure.second_color)
    )
    share = _pattern(figure, dx, dy).expand_as(distance_FHW)[:, None]
    body = first * (1 - share) + second * share
    inside = (0.5 - (distance_FHW + OUTLINE_PX)).clamp(0, 1)[:, None]
    outline = torch.tensor(OUTLINE_RGB)[:, None, None]
    return body * inside + outline * (1 - inside), (0.5 - distance_FHW).clamp(0, 1)


def _distance(figure: Figure, dx: Tensor, dy: Tensor) -> Tensor:
    """Return the approximate distance of a point to a figure's outline in px; negative inside."""
    size = figure.radius_px
    radius = (dx**2 + dy**2).clamp_min(1e-3).sqrt()
    if figure.shape == 0:  # ball
        return radius - size
    if figure.shape == 1:  # box
        return torch.maximum(dx.abs(), dy.abs()) - 0.86 * size
    if figure.shape == 2:  # kite
        return (dx.abs() + 0.7 * dy.abs() - size) / 1.22
    # star: five rays, one of them upwards
    angle = torch.atan2(dx.expand_as(radius), -dy.expand_as(radius))
    return radius - size * (0.88 + 0.24 * torch.cos(5 * angle))


def _pattern(figure: Figure, dx: Tensor, dy: Tensor) -> Tensor:
    """Return the share of the second color."""
    if figure.pattern == 0:  # plain: a small core, so that every figure shows both colors
        radius = (dx**2 + dy**2).sqrt()
        return (0.5 - (radius - 0.3 * figure.radius_px)).clamp(0, 1)
    if figure.pattern == 1:  # striped
        return torch.sigmoid(torch.sin(dy * (2.2 * math.pi / figure.radius_px)) * 6)
    if figure.pattern == 2:  # halved
        return (0.5 + dx).clamp(0, 1)
    ring = ((dx**2 + dy**2).sqrt() / figure.radius_px - 0.5).abs() - 0.14
    return (0.5 - ring * figure.radius_px).clamp(0, 1)


def _hue_rgb(turn_FW: Tensor) -> Float[Tensor, "frame 3 width"]:
    """Return muted colors of equal strength round the colour circle."""
    offsets = torch.tensor([0.0, 1 / 3, 2 / 3])[:, None]
    return 0.5 + 0.3 * torch.cos(2 * math.pi * (turn_FW[:, None] - offsets))


def _below(height_FH: Tensor, line_FW: Tensor) -> Tensor:
    return (0.5 + height_FH[:, :, None] - line_FW[:, None, :]).clamp(0, 1)


def _over(image_FCHW: Tensor, color: Tensor, cover_FHW: Tensor) -> Tensor:
    return torch.lerp(image_FCHW, color.expand_as(image_FCHW), cover_FHW[:, None])
