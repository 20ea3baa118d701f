"""Ground truth of a street's video: place and visible share of every thing on it, and returns.

Who the visitor is, and under which cup the ball is, are in `Script.visitor` and `Script.cups`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from backbones.world.street.actors import SIDE_PX, Actor, actors
from backbones.world.street.prompt import Scene
from backbones.world.street.render import cover
from backbones.world.street.scene import Figure, Street
from backbones.world.street.script import FPS, Script
from harness.core.errors import ConfigError

# A figure has returned when this share of it is visible again; it has left when nothing is.
RETURNED_SHARE = 0.5


@dataclass(frozen=True)
class Return:
    """The return of a figure, or of the ball.

    Attributes:
        figure: its number on the street, or among the visitors; 0 for the ball.
        left_frame: the last video frame that showed any of it.
        return_frame: the first one that shows RETURNED_SHARE of it again.
    """

    figure: int
    left_frame: int
    return_frame: int

    @property
    def age_s(self) -> float:
        """Return the seconds for which it was out of view."""
        return (self.return_frame - self.left_frame) / FPS


@dataclass(frozen=True, eq=False)
class Truth:
    """Exact facts about a video.

    Attributes:
        street: the things on the street.
        script: camera and light.
        x_px: column of the centre of every figure; of a game those of the ball and of each cup.
        y_px: row of it.
        visible: share of every one that is in view and not covered by a cup, 0..1.
    """

    street: Street
    script: Script
    x_px: Float[Tensor, "frame figure"]
    y_px: Float[Tensor, "frame figure"]
    visible: Float[Tensor, "frame figure"]

    @classmethod
    def of(cls, street: Street, script: Script) -> Truth:
        """Compute the truth of the video that `render` draws.

        Raises:
            ConfigError: the script is written for another number of figures.
        """
        if len(street.figures) != script.num_figures:
            raise ConfigError(
                f"The script names {script.num_figures} figures, the street has "
                f"{len(street.figures)}."
            )
        things = actors(street, script, torch.arange(script.num_frames))
        x_px = torch.stack([one.x_px for one in things], dim=1)
        y_px = torch.stack([one.y_px + script.path.tilt_px for one in things], dim=1)
        if script.scene is Scene.cups:
            visible = torch.ones_like(x_px)
            visible[:, 0] = _uncovered(*things)
        else:
            visible = torch.stack(
                [
                    _visible(one.figure, x_px[:, number], y_px[:, number])
                    for number, one in enumerate(things)
                ],
                dim=1,
            )
        return cls(street, script, x_px, y_px, visible)

    @cached_property
    def returns(self) -> tuple[Return, ...]:
        """Every figure that leaves the view and comes back, in the order of coming back."""
        found = []
        for number in range(self.visible.shape[1]):
            left: int | None = None
            seen = False
            for frame, share in enumerate(self.visible[:, number].tolist()):
                if share >= RETURNED_SHARE:
                    if left is not None:
                        found.append(Return(number, left, frame))
                    seen, left = True, None
                elif seen and share == 0 and left is None:
                    left = frame - 1
        return tuple(sorted(found, key=lambda item: (item.return_frame, item.figure)))


def _visible(figure: Figure, x_px: Tensor, y_px: Tensor) -> Float[Tensor, " frame"]:
    """Return the share of a figure's silhouette that lies within the picture."""
    reach = round(2 * figure.radius_px)
    # Poses are whole or half pixels, and half ones are all alike: one silhouette serves all frames.
    offset = torch.arange(-reach, reach + 1).float()
    half = float(x_px[0]) % 1
    mask_HW = cover(figure, offset[None, None] - half, offset[None, :, None])[0]
    sums = torch.zeros(len(offset) + 1, len(offset) + 1)
    sums[1:, 1:] = mask_HW.cumsum(0).cumsum(1)

    def bounds(centre: Tensor) -> tuple[Tensor, Tensor]:
        first = centre.floor().long() - reach  # the pixel of the silhouette's first row or column
        return (-first).clamp(0, len(offset)), (SIDE_PX - first).clamp(0, len(offset))

    (left, right), (top, bottom) = bounds(x_px), bounds(y_px)
    inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return (inside / sums[-1, -1]).clamp(0, 1)


def _uncovered(ball: Actor, *cups: Actor) -> Float[Tensor, " frame"]:
    """Return the share of the ball that no cup covers; all of it lies within the picture."""
    ball_FHW = _mask(ball)
    seen_FHW = ball_FHW
    for cup in cups:
        seen_FHW = seen_FHW * (1 - _mask(cup))
    return seen_FHW.sum((1, 2)) / ball_FHW.sum((1, 2))


def _mask(thing: Actor) -> Float[Tensor, "frame height width"]:
    pixel = torch.arange(SIDE_PX).float()
    dx, dy = pixel - thing.x_px[:, None, None], pixel[:, None] - thing.y_px[:, None, None]
    return cover(thing.figure, dx, dy)
