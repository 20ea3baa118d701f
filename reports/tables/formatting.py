"""How numbers are written for people: the same digits down one column, a dash for no value."""

from __future__ import annotations

import math
from collections.abc import Iterable

DASH = "\N{EN DASH}"


def column_decimals(values: Iterable[float | None], significant: int = 4) -> int:
    """Decimals that give the largest value of a column so many significant digits (0 to 6)."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if largest == 0.0:
        return 3
    whole = math.floor(math.log10(largest)) + 1
    return min(max(significant - whole, 0), 6)


def text(value: float | None, decimals: int) -> str:
    """`value` with so many decimals, or a dash."""
    return DASH if value is None else f"{value:.{decimals}f}"


def seconds(value: float) -> str:
    """A duration as it is named everywhere, for example "30 s"."""
    return f"{value:g} s"
