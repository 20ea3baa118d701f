"""Progress of a report, for a bar in the terminal."""

from __future__ import annotations

from collections.abc import Callable

Advance = Callable[[str, int, int], None]
"""Called with what is made now, how many of it are made, and how many there are; 0 if unknown."""


def silent(step: str, count: int, total: int) -> None:
    """Show no progress."""
