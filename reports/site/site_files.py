"""Data files of the page.

A page opened from a folder may not fetch files, but it may load scripts. So data is written as
scripts that hand over one JSON value: longtake.put(name, value).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from harness.core.files import replacing


def write_data(path: Path, name: str, value: Any) -> bool:
    """Write one data file, unless it is there with the same content; returns whether it changed.

    Everything but ASCII is escaped: some line separators of Unicode would end a JavaScript string.
    """
    text = f"longtake.put({json.dumps(name)},{compact(value)});\n"
    return update_text(path, text)


def compact(value: Any) -> str:
    """JSON without spaces, in ASCII."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def update_text(path: Path, text: str) -> bool:
    """Write a text file unless it has this content already; return whether it changed."""
    data = text.encode("utf-8")
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    with replacing(path, durable=False) as fresh:
        fresh.write_bytes(data)
    return True


def short(value: float | None, digits: int = 6) -> float | None:
    """A number with so many significant digits; None for no number."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
