"""The things of a script that are drawn one over another: figures, the ball, the cups."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from backbones.world.looks import PATTERNS, SHAPES
from backbones.world.street.cups import (
    BALL_RADIUS_PX,
    BALL_Y_PX,
    CUP_RADIUS_PX,
    CUP_Y_PX,
    PLACES_PX,
)
from backbones.world.street.prompt import Scene
from backbones.world.street.scene import Figure, Street
from backbones.world.street.script import GAP_PX, Script

SIDE_PX = 64
FIGURE_Y_PX = 36  # row of a figure's centre while the camera looks ahead
_NOWHERE_PX = 4 * SIDE_PX


class Actor(NamedTuple):
    """A thing and where it is in some video frames.

    Attributes:
        figure: its looks.
        x_px: column of its centre, in or out of view.
        y_px: row of it, as long as the camera looks ahead.
    """

    figure: Figure
    x_px: Float[Tensor, " frame"]
    y_px: Float[Tensor, " frame"]


def actors(street: Street, script: Script, frames: Tensor) -> list[Actor]:
    """Return all things of a script in some of its frames.

    They are the figures of a street, or the visitors, by number; of a game the ball and then the
    cups.
    """
    if script.scene is Scene.cups:
        return _game(street, script, frames)
    y_px = torch.full((len(frames),), float(FIGURE_Y_PX))
    return [
        Actor(figure, _figure_x_px(street, script, number, frames), y_px)
        for number, figure in enumerate(street.figures)
    ]


def drawing_order(script: Script, things: list[Actor]) -> list[Actor]:
    """Return things that look the same from frame to frame, the nearest last.

    Cups pass each other, and which one is nearer changes; all look alike, so their places are
    sorted instead.
    """
    if script.scene is not Scene.cups:
        return things
    ball, *cups = things
    x_FN = torch.stack([cup.x_px for cup in cups], dim=1)
    y_FN = torch.stack([cup.y_px for cup in cups], dim=1)
    y_FN, order_FN = y_FN.sort(dim=1, stable=True)
    x_FN = x_FN.gather(1, order_FN)
    return [ball, *(Actor(cups[0].figure, x_FN[:, n], y_FN[:, n]) for n in range(len(cups)))]


def ball_place(street: Street, script: Script) -> Int[Tensor, " frame"]:
    """Return the place of the ball of a game in every video frame, whether it is seen or not."""
    return script.cups.place[:, _ball_cup(street)]


def _ball_cup(street: Street) -> int:
    """Return the cup that the ball is under, which no prompt names."""
    return street.start_px % len(PLACES_PX)


def _figure_x_px(street: Street, script: Script, number: int, frames: Tensor) -> Tensor:
    if script.scene is Scene.visitor:
        path = script.visitor
        there = path.visitor[frames] == number
        x_px = (SIDE_PX // 2 + path.away_px[frames]).float()
        return torch.where(there, x_px, float(_NOWHERE_PX))
    # A closed street shows a figure at the nearest of the places that are a lap apart.
    lap_px = street.lap_px
    moved_px = script.path.x_px[frames]
    away_px = (number + 0.5) * GAP_PX - street.start_px - moved_px - SIDE_PX / 2
    return (away_px + lap_px / 2) % lap_px - lap_px / 2 + SIDE_PX / 2


def _game(street: Street, script: Script, frames: Tensor) -> list[Actor]:
    looks, cup_looks = street.figures[:2]
    ball = Figure(
        SHAPES.index("ball"), looks.pattern, looks.color, looks.second_color, BALL_RADIUS_PX
    )
    cup = Figure(
        SHAPES.index("box"),
        PATTERNS.index("striped"),
        cup_looks.color,
        cup_looks.second_color,
        CUP_RADIUS_PX,
    )
    path = script.cups
    x_FN, ground_FN = path.x_px[frames], path.nearer_px[frames]
    y_FN = CUP_Y_PX + ground_FN - path.lift_px[frames, None]
    cups = [Actor(cup, x_FN[:, n], y_FN[:, n]) for n in range(x_FN.shape[1])]
    # The ball goes along under its cup and stays on the ground.
    own = _ball_cup(street)
    return [Actor(ball, x_FN[:, own], BALL_Y_PX + ground_FN[:, own]), *cups]
