"""Numbers and tables as text: the same digits down one column, a dash for no value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from eval.statistics import Interval

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def column_decimals(values: Iterable[float | None], significant: int = 4) -> int:
    """Return the decimals that give the largest value of a column its significant digits (0 to 6).

    Args:
        values: the column.
        significant: digits of the largest value.
    """
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if largest == 0.0:
        return 3
    whole = math.floor(math.log10(largest)) + 1
    return min(max(significant - whole, 0), 6)


def bounds(interval: Interval | None) -> tuple[float | None, float | None]:
    """Return the ends of an interval; None twice without one."""
    return (interval.low, interval.high) if interval else (None, None)


def text(value: float | None, decimals: int) -> str:
    """Return `value` rounded to `decimals`, or a dash."""
    return DASH if value is None else f"{value:.{decimals}f}"


def seconds(value: float) -> str:
    """Return a duration as it is written everywhere, for example "30 s"."""
    return f"{value:g} s"


def one_line(label: str) -> str:
    """Return `label` with line breaks and runs of blanks as single blanks."""
    return " ".join(label.split())


def markdown_table(
    header: Sequence[str], lines: Iterable[Sequence[str]], num_left: int | None = None
) -> str:
    """Return a Markdown table.

    Args:
        header: the heads of the columns.
        lines: cells, escaped where they need it.
        num_left: columns to align left, the others right; None aligns none.
    """
    rules = [
        "---" if num_left is None or index < num_left else "---:" for index in range(len(header))
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rules, *lines))
