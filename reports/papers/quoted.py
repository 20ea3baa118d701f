"""Published numbers of others, read from a YAML file and shown separately, marked as quoted.

A quoted table has no ranks and no best marks and is not part of `reports.tables.comparison`: its
numbers come from other prompts, seeds and machines and must not be compared with measured ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.core.errors import ConfigError, StoreError, nearest
from harness.core.untyped import read_yaml

_KEYS = ("title", "source", "link", "protocol", "metrics", "rows")
_ROW_KEYS = ("backbone", "method", "duration_s", "values", "note")


@dataclass(frozen=True)
class QuotedRow:
    """One published row; `values` by metric name."""

    backbone: str
    method: str
    duration_s: float | None
    values: dict[str, float]
    note: str | None


@dataclass(frozen=True)
class QuotedTable:
    """One published table.

    Attributes:
        title: its heading on the page.
        source: citation of the publication.
        link: address of the publication; None without one.
        protocol: how the numbers were measured, as far as the source describes it.
        metrics: column names to their titles.
        rows: the published rows.
        file: path of the YAML file.
    """

    title: str
    source: str
    link: str | None
    protocol: str
    metrics: dict[str, str]
    rows: tuple[QuotedRow, ...]
    file: str


def load_quoted(paths: Sequence[Path]) -> list[QuotedTable]:
    """Read published tables; the format is in docs/published.md.

    Raises:
        ConfigError: a file is missing, is no YAML, or lacks a required key such as the source.
    """
    return [_table(Path(path)) for path in paths]


def _table(path: Path) -> QuotedTable:
    try:
        content = read_yaml(path)
    except FileNotFoundError as error:
        raise ConfigError(f"quoted={path}: no such file.") from error
    except StoreError as error:
        raise ConfigError(str(error)) from error
    content = _mapping(content, _KEYS, str(path), needed=("source", "metrics", "rows"))
    link = content.get("link")
    if link is not None and urlsplit(str(link)).scheme not in ("http", "https"):
        raise ConfigError(f"{path}: link {link!r} is not an http or https address.")
    metrics = content["metrics"]
    if not isinstance(metrics, dict) or not metrics:
        raise ConfigError(f"{path}: metrics must map column names to titles.")
    if not isinstance(content["rows"], list):
        raise ConfigError(f"{path}: rows must be a list.")
    titles = {str(name): str(title) for name, title in metrics.items()}
    rows = [_row(row, titles, f"{path}, row {i + 1}") for i, row in enumerate(content["rows"])]
    return QuotedTable(
        title=str(content.get("title") or content["source"]),
        source=str(content["source"]),
        link=None if link is None else str(link),
        protocol=str(content.get("protocol") or "not stated"),
        metrics=titles,
        rows=tuple(rows),
        file=str(path),
    )


def _row(row: Any, metrics: dict[str, str], place: str) -> QuotedRow:
    row = _mapping(row, _ROW_KEYS, place, needed=("backbone", "method", "values"))
    values = _mapping(row["values"], tuple(metrics), place, needed=())
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{place}: {name} is {value!r}, expected a number.")
    duration = row.get("duration_s")
    if duration is not None and not isinstance(duration, int | float):
        raise ConfigError(f"{place}: duration_s is {duration!r}, expected seconds.")
    return QuotedRow(
        backbone=str(row["backbone"]),
        method=str(row["method"]),
        duration_s=duration,
        values={name: float(value) for name, value in values.items()},
        note=None if row.get("note") is None else str(row["note"]),
    )


def _mapping(
    content: Any, known: Sequence[str], place: str, needed: Sequence[str]
) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ConfigError(f"{place}: expected keys and values, one of {', '.join(known)}.")
    for key in content:
        if key not in known:
            close = nearest(str(key), known)
            hint = f" Did you mean {close!r}?" if close else ""
            raise ConfigError(f"{place}: unknown key {key!r}.{hint} Known: {', '.join(known)}.")
    for key in needed:
        if content.get(key) in (None, ""):
            raise ConfigError(f"{place}: {key} is missing; a quoted number needs it.")
    return content
