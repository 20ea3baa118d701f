"""Typed JSON: one declared dataclass per file, checked where the file is read.

A type may carry a class attribute `SCHEMA`, the version of its layout. It is written as the key
"schema" and compared before anything else, so that a file of another version is named as such.

Files end with the key "sha256", the digest of all text before it: a digit that changed on disk is
still valid JSON. So does each line of a .jsonl file, with a shorter digest, which tells which of
its lines changed. A file or line without it, written by hand for example, is read as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.core.errors import StoreError
from harness.core.files import read_bytes, write_text

T = TypeVar("T")
_DIGEST = re.compile(rb',\n "sha256": "([0-9a-f]{64})"\n}\s*\Z')
_LINE_DIGEST = re.compile(rb',"sha256":"([0-9a-f]{16})"}\s*\Z')


@dataclass(frozen=True)
class _Versioned:
    schema: int | None = None


def to_plain(value: Any) -> dict[str, Any]:
    """Return the JSON object of a dataclass, "schema" first."""
    plain = msgspec.to_builtins(value, str_keys=True)
    schema = getattr(value, "SCHEMA", None)
    return plain if schema is None else {"schema": schema, **plain}


def write_typed(path: Path, value: Any) -> os.stat_result:
    """Write a dataclass as JSON, atomically.

    Returns:
        Size and time of this file, also if another writer has replaced it since.

    Raises:
        ValueError: a number is infinite or NaN, which JSON cannot hold.
    """
    text = json.dumps(to_plain(value), ensure_ascii=False, indent=1, allow_nan=False)
    return write_text(path, with_digest(text))


def read_typed(path: Path, cls: type[T]) -> T:
    """Read the dataclass `cls` from a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: the file is unreadable, changed since it was written, no JSON, or does not fit
            the type; names the field.
    """
    return from_json(without_digest(read_bytes(path), str(path)), cls, str(path))


def with_digest(text: str) -> str:
    """Return an indented JSON object with its digest as the last key."""
    body = text.rstrip().removesuffix("\n}")
    return f'{body},\n "sha256": "{hashlib.sha256(body.encode()).hexdigest()}"\n}}\n'


def without_digest(data: bytes, name: str) -> bytes:
    """Return a JSON object as it was before `with_digest`; one that has no digest as it is.

    Raises:
        StoreError: it is not what was written.
    """
    end = _DIGEST.search(data)
    if end is None:
        return data
    if hashlib.sha256(data[: end.start()]).hexdigest() != end[1].decode():
        raise StoreError(f"{name}: damaged (checksum mismatch).")
    return data[: end.start()] + b"\n}\n"


def without_digests(text: str) -> str:
    """Return the text of a JSON or .jsonl file without digests, so that it may be edited."""
    lines = _DIGEST.sub(b"\n}\n", text.encode()).split(b"\n")
    return b"\n".join(_LINE_DIGEST.sub(b"}", line) for line in lines).decode()


def to_line(value: Any) -> bytes:
    """Return a dataclass as a line of a .jsonl file, with its digest and the line break."""
    body = msgspec.json.encode(value).removesuffix(b"}")
    return body + f',"sha256":"{_line_digest(body)}"}}\n'.encode()


def from_line(line: bytes, cls: type[T], name: str, sealed: bool = False) -> T:
    """Read the dataclass `cls` from a line of a .jsonl file.

    Args:
        line: the line.
        cls: its type.
        name: name of the line in messages.
        sealed: refuse a line without a digest.

    Raises:
        StoreError: the line changed since it was written, is not JSON, or does not fit the type;
            names the field.
    """
    end = _LINE_DIGEST.search(line)
    if end is None and sealed:
        raise StoreError(f"{name}: no digest.")
    if end and _line_digest(line[: end.start()]) != end[1].decode():
        raise StoreError(f"{name}: damaged (checksum mismatch).")
    return from_json(line, cls, name)


def from_json(data: bytes | str, cls: type[T], name: str) -> T:
    """Read the dataclass `cls` from JSON text.

    Args:
        data: the text, UTF-8.
        cls: a dataclass whose field types can be imported from its module.
        name: name of the text in messages.

    Raises:
        StoreError: the text is not JSON or does not fit the type; names the field.
    """
    expected = getattr(cls, "SCHEMA", None)
    try:
        if expected is not None:
            found = msgspec.json.decode(data, type=_Versioned).schema
            if found != expected:
                raise StoreError(f"{name}: schema {found!r}, expected {expected}.")
        return msgspec.json.decode(data, type=cls)
    except msgspec.ValidationError as error:
        raise StoreError(f"{name}: {_lowered(error)}.") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise StoreError(f"{name}: not valid JSON ({_lowered(error)}).") from error


def from_plain(value: Any, cls: type[T], name: str) -> T:
    """Read the dataclass `cls` from plain values, as YAML gives them.

    Raises:
        StoreError: the values don't fit the type; names the field.
    """
    try:
        return msgspec.convert(value, type=cls)
    except msgspec.ValidationError as error:
        raise StoreError(f"{name}: {_lowered(error)}.") from error


def _line_digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


def _lowered(error: Exception) -> str:
    """Return msgspec's message, such as "expected `int`, got `str` - at `$.video.bytes`"."""
    text = " ".join(str(error).split()).replace(" - at `$.", " at `")
    return text[:1].lower() + text[1:]
