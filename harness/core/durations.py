"""Durations that videos are scored over: seconds from the start, or each video as long as it is."""

from __future__ import annotations

import math
from typing import Final, Literal

WHOLE_S = math.inf
"""Every video over its own length, so that videos of several lengths are one row."""
WHOLE: Final = "whole"


def duration_name(duration_s: float) -> str:
    """Return the name of a duration in score files and on the command line."""
    return WHOLE if duration_s == WHOLE_S else f"{duration_s:g}"


def duration_of(name: str) -> float:
    """Return the seconds that a name stands for.

    Raises:
        ValueError: neither a number nor "whole".
    """
    return WHOLE_S if name == WHOLE else float(name)


def asked_duration(name: str) -> float:
    """Return the seconds of a duration that is asked for.

    Raises:
        ValueError: neither a finite number above 0 nor "whole".
    """
    duration_s = duration_of(name)
    if name != WHOLE and not 0 < duration_s < WHOLE_S:
        raise ValueError(f"expected seconds above 0, or {WHOLE}, got {name}")
    return duration_s


def plain_duration(duration_s: float) -> float | Literal["whole"]:
    """Return a duration as JSON has it, which knows no infinity: a number, or "whole"."""
    return WHOLE if duration_s == WHOLE_S else duration_s
