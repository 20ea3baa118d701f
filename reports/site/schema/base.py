"""Parts that several files of the page share."""

from __future__ import annotations

from dataclasses import dataclass

Number = float | None


@dataclass(frozen=True)
class Link:
    """A file: its name for people, and its address as seen from the page."""

    name: str
    address: str
