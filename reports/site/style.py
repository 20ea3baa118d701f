"""Colours shared by the plots and the page: one stroke per method, and the ink of plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# From seaborn's "colorblind" palette, ordered so that neighbours differ also in grey, and
# without its yellow and pink, which are hard to see on white.
PALETTE = ("#0173b2", "#de8f05", "#029e73", "#cc78bc", "#d55e00", "#56b4e9", "#ca9161", "#949494")
Line = Literal["solid", "dashed", "dotted", "dashdot"]
LINES: tuple[Line, ...] = ("solid", "dashed", "dotted", "dashdot")


@dataclass(frozen=True)
class Stroke:
    """Stroke of a method in plots: a colour, and another line style when colours run out."""

    colour: str
    line: Line


@dataclass(frozen=True)
class Theme:
    """Colours of text, axes and grid."""

    ink: str
    muted: str
    rule: str


LIGHT = Theme(ink="#1c2024", muted="#8b9098", rule="#e4e6ea")


def strokes(methods: Sequence[str]) -> dict[str, Stroke]:
    """Return a stroke per method, by its place in the sweep, so that all figures agree."""
    return {
        method: Stroke(PALETTE[index % len(PALETTE)], LINES[index // len(PALETTE) % len(LINES)])
        for index, method in enumerate(methods)
    }
