"""Files of published numbers: read, checked, or refused with the place of the mistake."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.core.errors import ConfigError, StoreError, nearest
from harness.core.untyped import read_yaml
from reports.papers.quoted import CLIPS, HANDS, Protocol, Quoted, QuotedRow, QuotedTable
from reports.papers.quoted_checks import check_tables
from reports.papers.quoted_columns import SCALES, QuotedColumn, known_column, known_names

SHIPPED = {"field_2026": Path(__file__).parent / "published" / "field_2026.yaml"}
"""Published tables that come with Longtake, by the name to ask for them."""
_FILE_KEYS = ("tables", "own_names")
_TABLE_KEYS = (
    *("id", "title", "source", "table", "link", "hand", "protocol", "duration_s", "unit"),
    *("metrics", "ranked", "rows"),
)
_PROTOCOL_KEYS = ("prompts", "clips", "seeds", "note")
_ROW_KEYS = ("backbone", "method", "duration_s", "values", "copied_from", "swapped", "note")
_COLUMN_KEYS = ("name", "title", "low", "high", "higher_is_better")


def load_quoted(paths: Sequence[Path]) -> Quoted:
    """Read published tables and check them; the format is in docs/published.md.

    Args:
        paths: YAML files, or names of `SHIPPED`.

    Raises:
        ConfigError: a file is missing, is not YAML, lacks a required key such as the protocol, or
            holds numbers that cannot be; see `reports.papers.quoted_checks`.
    """
    tables: list[QuotedTable] = []
    backbones: dict[str, tuple[str, ...]] = {}
    methods: dict[str, tuple[str, ...]] = {}
    for path in paths:
        place, content = _read(Path(path))
        if "tables" not in content:
            content = {"tables": [content]}
        content = _mapping(content, _FILE_KEYS, place, needed=("tables",))
        of_file = _list(content["tables"], f"{place}: tables")
        for index, table in enumerate(of_file):
            where = place if len(of_file) == 1 else f"{place}, table {index + 1}"
            tables.append(_table(table, where, place))
        names = _mapping(content.get("own_names", {}), ("backbones", "methods"), place, needed=())
        backbones |= _labels(names.get("backbones", {}), f"{place}: own_names")
        methods |= _labels(names.get("methods", {}), f"{place}: own_names")
    check_tables(tables)
    return Quoted(tuple(tables), backbones, methods)


def _read(path: Path) -> tuple[str, dict[Any, Any]]:
    """Return the name of a file in messages, and its content."""
    shipped = SHIPPED.get(str(path))
    if shipped is not None and not path.exists():
        name, path = str(path), shipped
    else:
        name = str(path)
    try:
        content = read_yaml(path)
    except FileNotFoundError as error:
        close = nearest(name, tuple(SHIPPED))
        hint = f" Did you mean {close!r}?" if close else ""
        raise ConfigError(
            f"quoted={name}: no such file.{hint} With Longtake come: {', '.join(SHIPPED)}."
        ) from error
    except StoreError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name}: expected the keys of a table, or `tables`.")
    return name, content


def _table(content: Any, place: str, file: str) -> QuotedTable:
    needed = ("source", "hand", "protocol", "metrics", "rows")
    content = _mapping(content, _TABLE_KEYS, place, needed)
    link = content.get("link")
    if link is not None and not _is_address(str(link)):
        raise ConfigError(f"{place}: link {link!r} is not an http or https address.")
    unit = _one_of(content.get("unit", "percent"), tuple(SCALES), f"{place}: unit")
    columns = tuple(
        _column(column, unit, f"{place}, column {index + 1}")
        for index, column in enumerate(_list(content["metrics"], f"{place}: metrics"))
    )
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise ConfigError(f"{place}: two columns share a name ({', '.join(names)}).")
    ranked = content.get("ranked")
    if ranked is not None:
        ranked = _one_of(ranked, ("backbone", "table"), f"{place}: ranked")
    duration = _duration(content.get("duration_s"), place)
    rows = tuple(
        _row(row, columns, duration, f"{place}, row {index + 1}")
        for index, row in enumerate(_list(content["rows"], f"{place}: rows"))
    )
    return QuotedTable(
        id=str(content.get("id") or content.get("title") or content["source"]),
        title=str(content.get("title") or content["source"]),
        source=str(content["source"]),
        table=str(content.get("table") or "not stated"),
        link=None if link is None else str(link),
        hand=_one_of(content["hand"], tuple(HANDS), f"{place}: hand"),
        protocol=_protocol(content["protocol"], f"{place}: protocol"),
        columns=columns,
        ranked=ranked,
        rows=rows,
        file=Path(file).name,
    )


def _is_address(link: str) -> bool:
    try:
        return urlsplit(link).scheme in ("http", "https")
    except ValueError:  # brackets without an IPv6 address
        return False


def _protocol(content: Any, place: str) -> Protocol:
    content = _mapping(content, _PROTOCOL_KEYS, place, needed=("prompts", "clips"))
    return Protocol(
        prompts=str(content["prompts"]),
        clips=_one_of(content["clips"], tuple(CLIPS), f"{place}: clips"),
        seeds=str(content.get("seeds") or "not stated"),
        note=None if content.get("note") is None else str(content["note"]),
    )


def _column(content: Any, unit: str, place: str) -> QuotedColumn:
    if not isinstance(content, dict):
        known = known_column(str(content), unit)
        if known is not None:
            return known
        close = nearest(str(content), known_names())
        hint = f" Did you mean {close!r}?" if close else ""
        raise ConfigError(
            f"{place}: {content!r} is not a column of VBench.{hint} A column of your own needs "
            "{name: ..., title: ..., low: ..., high: ...}."
        )
    content = _mapping(content, _COLUMN_KEYS, place, needed=("name", "title"))
    name = str(content["name"])
    if name in known_names():
        raise ConfigError(f"{place}: {name} is a column of VBench; write its name only.")
    limits = [
        None if content.get(end) is None else _number(content[end], f"{place}: {end}")
        for end in ("low", "high")
    ]
    better = content.get("higher_is_better", True)
    if not isinstance(better, bool):
        raise ConfigError(f"{place}: higher_is_better is {better!r}, expected true or false.")
    return QuotedColumn(name, str(content["title"]), limits[0], limits[1], better)


def _row(
    row: Any, columns: tuple[QuotedColumn, ...], duration_s: float | None, place: str
) -> QuotedRow:
    row = _mapping(row, _ROW_KEYS, place, needed=("backbone", "method", "values"))
    given = _list(row["values"], f"{place}: values")
    if len(given) != len(columns):
        raise ConfigError(f"{place}: {len(given)} values, but {len(columns)} columns.")
    values = {
        column.name: _number(value, f"{place}: {column.name}")
        for column, value in zip(columns, given, strict=True)
        if value is not None
    }
    for column in columns:
        value = values.get(column.name)
        low, high = column.low, column.high
        if value is None or ((low is None or value >= low) and (high is None or value <= high)):
            continue
        limits = " to ".join("any" if end is None else f"{end:g}" for end in (low, high))
        raise ConfigError(f"{place}: {column.name} is {value:g}, expected {limits}.")
    swapped = tuple(str(name) for name in _list(row.get("swapped", []), f"{place}: swapped"))
    if swapped and (len(swapped) != 2 or any(name not in values for name in swapped)):
        raise ConfigError(f"{place}: swapped needs two columns that the row has.")
    if swapped and not row.get("copied_from"):
        raise ConfigError(f"{place}: swapped needs copied_from, the table it was copied from.")
    return QuotedRow(
        backbone=str(row["backbone"]),
        method=str(row["method"]),
        duration_s=_duration(row["duration_s"], place) if "duration_s" in row else duration_s,
        values=values,
        copied_from=str(row["copied_from"]) if row.get("copied_from") else None,
        swapped=swapped,
        note=None if row.get("note") is None else str(row["note"]),
    )


def _duration(value: Any, place: str) -> float | None:
    if value is None:
        return None
    number = _number(value, f"{place}: duration_s")
    if number <= 0:
        raise ConfigError(f"{place}: duration_s is {number:g}, expected seconds above 0.")
    return number


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{place} is {value!r}, expected a number.")
    return float(value)


def _one_of(value: Any, known: tuple[str, ...], place: str) -> str:
    if value not in known:
        raise ConfigError(f"{place} is {value!r}, expected one of {', '.join(known)}.")
    return str(value)


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{place} must be a list.")
    return value


def _labels(names: Any, place: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(names, dict):
        raise ConfigError(f"{place} must map published names to lists of labels.")
    return {str(name): tuple(map(str, _list(of, place))) for name, of in names.items()}


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
