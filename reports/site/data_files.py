"""Data files of the page.

A page opened from a folder cannot fetch files, but it can load scripts. So data is written as
scripts that pass on one JSON value: longtake.put(name, value).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from harness.core.files import replacing


def write_data(path: Path, name: str, value: Any) -> bool:
    """Write one data file if its content changes, and return whether it did.

    Args:
        path: the file.
        name: name under which the script requests it.
        value: plain values and classes of `reports.site.schema`.
    """
    return update_text(path, f"longtake.put({json.dumps(name)},{to_json(value)});\n")


def to_json(value: Any) -> str:
    """Return `value` as JSON without spaces; dataclasses become objects with their fields.

    The text is ASCII: some Unicode line separators end a string in JavaScript.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False, default=vars)


def update_text(path: Path, text: str) -> bool:
    """Write a text file if its content changes, and return whether it did."""
    data = text.encode("utf-8")
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    with replacing(path, durable=False) as fresh:
        fresh.write_bytes(data)
    return True


def exact(value: float | None) -> float | None:
    """Return a number with all its digits, to be rounded once; None if it is not finite."""
    return short(value, 17)


def short(value: float | None, digits: int = 6) -> float | None:
    """Return a number rounded to significant digits; None if it is None or not finite."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
