"""The figures of a street, which are determined by a seed and not named by the prompt."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from backbones.world.looks import COLORS, PATTERNS, SHAPES
from backbones.world.street.script import GAP_PX

RADIUS_PX = (11.5, 15.5)  # smallest and largest figure
HILL_HARMONICS = 3


@dataclass(frozen=True)
class Figure:
    """The looks of one figure.

    Attributes:
        shape, pattern: indices into `SHAPES` and `PATTERNS`.
        color, second_color: indices into `COLORS`, never equal.
        radius_px: size.
    """

    shape: int
    pattern: int
    color: int
    second_color: int
    radius_px: float


@dataclass(frozen=True)
class Street:
    """A closed street: figure n stands at (n + 1/2) * GAP_PX.

    Attributes:
        figures: the figures in the order of the walk.
        start_px: place of the left edge of the first frame.
        hue: colour of the hills at place 0, a share of the colour circle that one lap goes round.
        hill_phases_rad: shape of the hills.
    """

    figures: tuple[Figure, ...]
    start_px: int
    hue: float
    hill_phases_rad: tuple[float, ...]

    @property
    def lap_px(self) -> int:
        """Length of the street."""
        return len(self.figures) * GAP_PX


def draw_street(num_figures: int, seed: int) -> Street:
    """Draw a street; the same arguments give the same street on every machine."""
    generator = torch.Generator().manual_seed(seed)

    def integer(high: int) -> int:
        return int(torch.randint(high, (), generator=generator))

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    # The order of the draws is part of the definition.
    figures = []
    for _ in range(num_figures):
        shape, pattern, color = integer(len(SHAPES)), integer(len(PATTERNS)), integer(len(COLORS))
        second_color = (color + 1 + integer(len(COLORS) - 1)) % len(COLORS)
        figures.append(Figure(shape, pattern, color, second_color, uniform(*RADIUS_PX)))
    return Street(
        figures=tuple(figures),
        start_px=integer(num_figures * GAP_PX),
        hue=uniform(0, 1),
        hill_phases_rad=tuple(uniform(0, 2 * math.pi) for _ in range(HILL_HARMONICS)),
    )
