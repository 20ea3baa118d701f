"""JSON objects and YAML files whose fields are checked later.

Refused here, with the reason: other encodings, nesting deeper than that of any real file, texts
that no UTF-8 file can hold, integers that no float can hold, values that contain themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from harness.core.errors import StoreError
from harness.core.files import read_bytes
from harness.core.names import not_utf8
from harness.core.typed_files import from_json

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_LEVELS = 100
_MOST_VALUES = 10**7
_MOST_BITS = 1023


def json_object(data: bytes | str, name: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        data: the text.
        name: name of the text in messages.

    Raises:
        StoreError: it is not JSON, or not an object.
    """
    return from_json(data, dict[str, Any], name)


def read_yaml(path: Path) -> Any:
    """Read a YAML file as plain values.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: it cannot be read, or is not YAML of plain values.
    """
    try:
        content = yaml.load(read_bytes(path).decode("utf-8"), Loader=_LOADER)
    except UnicodeDecodeError as error:
        raise StoreError(f"{path} is not YAML in UTF-8.") from error
    # A date or a number that does not exist is a ValueError, an unhashable key a TypeError.
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise StoreError(f"{path} is not readable YAML: {' '.join(str(error).split())}.") from error
    if reason := _refused(content, 0, [0]):
        raise StoreError(f"{path} is not readable YAML: {reason}.")
    return content


def _refused(value: Any, level: int, seen: list[int]) -> str | None:
    """Return why values can't be used; `seen` counts them, as aliases may multiply them."""
    seen[0] += 1
    if level > _MOST_LEVELS:
        return f"nested more than {_MOST_LEVELS} levels deep"
    if seen[0] > _MOST_VALUES:
        return f"more than {_MOST_VALUES} values"
    if isinstance(value, str):
        return f"{value!a} is not valid text" if not_utf8(value) else None
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"an integer of {value.bit_length()} bits"
    parts: list[Any] = []
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set):
        parts = list(value)
    return next(filter(None, (_refused(part, level + 1, seen) for part in parts)), None)
