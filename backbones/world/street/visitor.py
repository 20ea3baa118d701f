"""The visitor: a figure that leaves to the right and comes back, or another one comes.

The camera stands still. `staying` means that the visitor who was there last is there, `away` that
no visitor is, `another` that a new one is, `first` that the one of the beginning is again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from backbones.world.street.blocks import Block
from harness.core.errors import ConfigError

MOST_VISITORS = 8
# Far enough from the middle for every figure to be out of view; a block is too short for the way.
AWAY_PX, SPEED_PX = 64, 3


@dataclass(frozen=True, eq=False)
class VisitorPath:
    """The visitor of every video frame.

    Attributes:
        visitor: number of the visitor who is there, or was last.
        away_px: way from the middle of the picture; AWAY_PX is out of view.
    """

    visitor: Int[Tensor, " frame"]
    away_px: Int[Tensor, " frame"]

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> VisitorPath:
        """Follow the visitors through a script.

        Raises:
            ConfigError: no visitor is there at first, it would change in view, or there are more
                than MOST_VISITORS.
        """
        if blocks[0].motion != "staying":
            raise ConfigError(
                f"A script of the visitor begins with 'staying', not {blocks[0].motion!r}: no "
                "visitor was there before."
            )
        visitor, away_px, num = 0, 0, 1
        visitors, aways_px, before = [0], [0], blocks[0].motion
        for block in blocks:
            if block.motion in ("another", "first") and block.motion != before:
                if away_px < AWAY_PX:
                    raise ConfigError(
                        f"At {block.start_s:g} s the script wants another visitor ({block.motion}) "
                        "while one is in view. Let it go first: at least 1.5 s of 'away'."
                    )
                visitor = num if block.motion == "another" else 0
                num += block.motion == "another"
            before = block.motion
            goal_px = AWAY_PX if block.motion == "away" else 0
            for _ in range(block.num_frames):
                away_px += max(-SPEED_PX, min(SPEED_PX, goal_px - away_px))
                visitors.append(visitor)
                aways_px.append(away_px)
        if num > MOST_VISITORS:
            raise ConfigError(f"A script has at most {MOST_VISITORS} visitors; this one has {num}.")
        return cls(torch.tensor(visitors), torch.tensor(aways_px))
