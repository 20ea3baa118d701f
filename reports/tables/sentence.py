"""Sentences about results: pieces of text with names apart, and numbers with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.statistics import Interval, NoInterval, PairedDifference
from reports.tables.formatting import around, number, one_line
from reports.tables.table import Cell


@dataclass(frozen=True)
class Piece:
    """A piece of a sentence; names of methods and backbones come from users."""

    text: str
    is_name: bool = False


@dataclass(frozen=True)
class Sentence:
    """A sentence in pieces, in their order."""

    pieces: list[Piece]

    @property
    def text(self) -> str:
        """The sentence on one line, with names in backticks."""
        return "".join(
            f"`{one_line(piece.text)}`" if piece.is_name else piece.text for piece in self.pieces
        )


def sentence(*parts: str | Piece) -> Sentence:
    """Return a sentence of texts and names."""
    return Sentence([part if isinstance(part, Piece) else Piece(part) for part in parts])


def name(label: str) -> Piece:
    """Return a name as a piece."""
    return Piece(label, is_name=True)


def listed(labels: Sequence[str], most: int) -> list[str | Piece]:
    """Return names joined by commas and "and"; those beyond `most` are counted."""
    items: list[str | Piece] = [name(label) for label in labels[:most]]
    if len(labels) > most:
        items.append(f"{len(labels) - most} more")
    joined: list[str | Piece] = [items[0]]
    for item in items[1:-1]:
        joined += [", ", item]
    return [*joined, " and ", items[-1]] if len(items) > 1 else joined


def prompts(count: int) -> str:
    """Return a number of prompts in words."""
    return f"{count} prompt" if count == 1 else f"{count} prompts"


def mean_words(cell: Cell, decimals: int) -> str:
    """Return the mean of a cell with its interval."""
    return f"{number(cell.mean, decimals)} ({_around(cell.interval, cell.no_interval, decimals)})"


def size_words(difference: PairedDifference, decimals: int) -> str:
    """Return the size of a difference with its interval, both turned to its side."""
    interval = difference.interval
    if interval and difference.mean < 0:
        interval = Interval(-interval.high, -interval.low)
    beside = _around(interval, difference.no_interval, decimals)
    return f"{number(abs(difference.mean), decimals)} ({beside})"


def side(difference: PairedDifference) -> str:
    """Return on which side of the baseline a method is."""
    return "above" if difference.mean > 0 else "below"


def _around(interval: Interval | None, reason: NoInterval | None, decimals: int) -> str:
    return around(interval, None, decimals) or f"no interval: {reason}"
