"""The game of cups: a ball is shown, covered, and its cup changes places with the others.

All cups look alike, so where the ball is can be seen only while they are lifted; in between it
follows from the exchanges. Copying the last view of the ball is wrong wherever its cup has moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from backbones.world.street.blocks import Block
from harness.core.errors import ConfigError

PLACES_PX = (12, 32, 52)
BALL_Y_PX, CUP_Y_PX = 48, 47
BALL_RADIUS_PX, CUP_RADIUS_PX = 6.5, 10.0
LIFT_PX, LIFT_SPEED_PX = 20, 4
# The places that each exchange is about; the cup that goes to the right passes in front.
SWAPS = {"swapleft": (0, 1), "swapright": (1, 2), "swapouter": (0, 2)}
_DODGE_PX = 4


@dataclass(frozen=True, eq=False)
class CupsPath:
    """The cups of every video frame; cup n begins at place n.

    Attributes:
        lift_px: height of all cups above the ground.
        place: place of each cup; during an exchange the one that it comes from.
        x_px: column of each cup.
        nearer_px: how much lower in the picture, and nearer, than the row of cups each one is.
    """

    lift_px: Int[Tensor, " frame"]
    place: Int[Tensor, "frame cup"]
    x_px: Float[Tensor, "frame cup"]
    nearer_px: Float[Tensor, "frame cup"]

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> CupsPath:
        """Follow the cups through a script.

        Raises:
            ConfigError: the game does not begin with the ball in view, or cups change places while
                they are lifted.
        """
        if blocks[0].motion != "showing":
            raise ConfigError(
                f"A script of the cups begins with 'showing', not {blocks[0].motion!r}: the "
                "place of the ball would be unknown."
            )
        lift_px, cup_at = LIFT_PX, list(range(len(PLACES_PX)))
        rows = [(lift_px, *_standing(cup_at))]
        for block in blocks:
            swap = SWAPS.get(block.motion)
            if swap and lift_px:
                raise ConfigError(
                    f"At {block.start_s:g} s cups change places ({block.motion}) while they are "
                    "lifted. Put 'resting' before it."
                )
            goal_px = LIFT_PX if block.motion == "showing" else 0
            for step in range(block.num_frames):
                lift_px += max(-LIFT_SPEED_PX, min(LIFT_SPEED_PX, goal_px - lift_px))
                place, x_px, nearer_px = _standing(cup_at)
                if swap:
                    turn = math.pi * (step + 1) / block.num_frames
                    _exchange(cup_at[swap[0]], cup_at[swap[1]], turn, x_px, nearer_px)
                rows.append((lift_px, place, x_px, nearer_px))
            if swap:
                left, right = swap
                cup_at[left], cup_at[right] = cup_at[right], cup_at[left]
        lifts, places, xs, nearer = zip(*rows, strict=True)
        return cls(*map(torch.tensor, (lifts, places, xs, nearer)))


def _standing(cup_at: Sequence[int]) -> tuple[list[int], list[float], list[float]]:
    """Return place, column and nearness of every cup that stands at its place."""
    place = [cup_at.index(cup) for cup in range(len(cup_at))]
    return place, [float(PLACES_PX[p]) for p in place], [0.0] * len(place)


def _exchange(
    left: int, right: int, turn: float, x_px: list[float], nearer_px: list[float]
) -> None:
    """Move two cups round each other by half a turn's share, from 0 to pi."""
    middle_px, reach_px = (x_px[left] + x_px[right]) / 2, (x_px[right] - x_px[left]) / 2
    x_px[left], x_px[right] = (
        middle_px - reach_px * math.cos(turn),
        middle_px + reach_px * math.cos(turn),
    )
    nearer_px[left], nearer_px[right] = (
        _DODGE_PX * math.sin(turn),
        -_DODGE_PX * math.sin(turn),
    )
