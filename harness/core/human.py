"""Amounts as people write them: numbers of things, days and hours, MiB and GiB."""

from __future__ import annotations

_STEPS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def counted(number: int, word: str) -> str:
    """Return a number of things: "1 unit", "2 units"."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def duration_text(seconds: float) -> str:
    """Return seconds in the two largest units that fit: "2 d 3 h", "4 min 10 s", "0.4 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part, part_unit in _STEPS:
        if whole >= size:
            number, rest = divmod(round(whole / part), size // part)
            return f"{number} {unit} {rest} {part_unit}" if rest else f"{number} {unit}"
    return f"{whole} s"


def size_text(num_bytes: float) -> str:
    """Return a number of bytes in the largest unit that fits: "5.3 GiB", "120 MiB"."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if num_bytes >= 2**power:
            number = num_bytes / 2**power
            return f"{number:.1f} {unit}" if number < 100 else f"{number:.0f} {unit}"
    return f"{num_bytes:.0f} bytes"
