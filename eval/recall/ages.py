"""The names of parts by age: the seconds since something was first in view."""

from __future__ import annotations

import re

_AGE = re.compile(r"after (\d+(?:\.\d+)?) s")


def age_part(age_s: float) -> str:
    """Return the name of the part that is about things last seen `age_s` before."""
    return f"after {age_s:g} s"


def part_age_s(part: str) -> float | None:
    """Return the age that a part is about; None for a part of another kind."""
    found = _AGE.fullmatch(part)
    return float(found[1]) if found else None
