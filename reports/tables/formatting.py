"""Numbers and tables as text: the same digits down one column, a dash for no value.

Tables, sentences, terminal and page (`templates/js/format.js`) write a number in this way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext

from eval.statistics import Interval
from harness.core.durations import WHOLE, WHOLE_S

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def column_decimals(values: Iterable[float | None], *errors: Iterable[float | None]) -> int:
    """Return the decimals of a column (0 to 6): two digits of its errors.

    Args:
        values: the column. Without errors, the largest value is given four digits.
        errors: half intervals or standard errors; the first of several that has any counts. The one
            in the middle decides, so that a row whose values hardly differ does not lengthen all.
    """
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    for some in errors:
        # Equal differences have an error of the size of rounding.
        known = sorted(error for error in some if error and error > 1e-9 * largest)
        if known:
            return _decimals(known[len(known) // 2], significant=2)
    return _decimals(largest, significant=4)


def _decimals(size: float, significant: int) -> int:
    if size == 0.0:
        return 3
    whole = math.floor(math.log10(size)) + 1
    return min(max(significant - whole, 0), 6)


def error_of(interval: Interval | None, stderr: float | None) -> float | None:
    """Return the size of the error that is shown beside a number."""
    return (interval.high - interval.low) / 2 if interval else stderr


def bounds(interval: Interval | None) -> tuple[float | None, float | None]:
    """Return the ends of an interval; None twice without one."""
    return (interval.low, interval.high) if interval else (None, None)


def number(value: float | None, decimals: int) -> str:
    """Return `value` rounded to `decimals`, ties away from zero, or a dash; zero has no sign."""
    if value is None:
        return DASH
    with localcontext(rounding=ROUND_HALF_UP):
        text = format(Decimal(float(value)), f".{decimals}f")
    return text.replace("-", MINUS if float(text) else "")


def signed(value: float, decimals: int) -> str:
    """Return a difference; what is rounded to zero has no sign."""
    text = number(value, decimals)
    return f"+{text}" if value > 0 and float(text) else text


def around(interval: Interval | None, stderr: float | None, decimals: int) -> str | None:
    """Return the interval of a number, or else its standard error; None without both."""
    if interval:
        return f"{number(interval.low, decimals)} to {number(interval.high, decimals)}"
    return None if stderr is None else f"± {number(stderr, decimals)}"


def with_error(
    value: float | None, interval: Interval | None, stderr: float | None, decimals: int
) -> str:
    """Return a number with its interval or standard error, on one line."""
    beside = around(interval, stderr, decimals) if value is not None else None
    shown = number(value, decimals)
    if beside is None:
        return shown
    return f"{shown} ({beside})" if interval else f"{shown} {beside}"


def seconds(value: float) -> str:
    """Return a duration as it is written everywhere, for example "30 s"."""
    return "whole length" if value == WHOLE_S else f"{value:g} s"


def length_stem(duration_s: float) -> str:
    """Return a duration as a part of file names, for example "30s"."""
    return WHOLE if duration_s == WHOLE_S else f"{duration_s:g}s"


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
