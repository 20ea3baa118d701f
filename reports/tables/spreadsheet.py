"""CSV files that a spreadsheet opens without running a cell as a formula."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.core.durations import plain_duration
from harness.store.columns import plain_texts

GROUP_LINES = 1024 * 1024
"""Lines that are in memory as texts at once."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table, its texts safe for spreadsheets and its numbers in full precision.

    A text that a spreadsheet would take for a formula gets an apostrophe in front, as OWASP's page
    on CSV injection recommends. Parquet files hold the texts as they are. A duration of whole
    videos, which is infinite, is written as "whole".
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, part in enumerate(in_groups(frame)):
            _safe(plain_texts(part)).to_csv(
                file, index=False, header=not number, lineterminator="\n"
            )


def in_groups(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the lines of a frame, as many at once as Parquet puts into a group; at least once."""
    for first in range(0, max(1, len(frame)), GROUP_LINES):
        yield frame.iloc[first : first + GROUP_LINES]


def _safe(frame: pd.DataFrame) -> pd.DataFrame:
    safe = frame.rename(columns=_inert)
    for position, (name, column) in enumerate(frame.items()):
        if name == "duration_s":
            if column.dtype != float or np.isinf(column).any():
                safe.isetitem(position, column.map(plain_duration).to_numpy())
        elif isinstance(column.dtype, pd.StringDtype):
            # Of millions of lines few are distinct.
            if any(text != _inert(text) for text in column.dropna().unique()):
                safe.isetitem(position, column.map(_inert).to_numpy())
        elif not pd.api.types.is_numeric_dtype(column.dtype):
            safe.isetitem(position, column.map(_inert).to_numpy())
    return safe


def _inert(cell: Any) -> Any:
    if not isinstance(cell, str) or not cell.startswith(_FORMULA) or _is_number(cell):
        return cell
    return f"'{cell}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
