"""Seeded damage to a file: of its bytes, of the values in it, of its encoding."""

from __future__ import annotations

import codecs
import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

Mutation = Callable[[Random, bytes], bytes]

# Values of other types, at the limits of numbers, and texts that break encodings, pages and paths.
NASTY: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, -(2**63), 2**64, 10**400, 0.5, 1e308, -1e-320),
    *(float("nan"), float("inf"), "", " ", "0", "nan", "1e999", "\ud800", "a\0b", "\u2028\x85"),
    *("x" * 5000, "../../up", "/", "\u202egnp", "<script>", "=1+1", "e\u0301", "[red]", "${x}"),
    *([], {}, [[]], [1, "2", None], {"": 0}, {"a": {"b": [None]}}),
)
_PAGE = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>\n"
_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"


def truncated(draw: Random, data: bytes) -> bytes:
    """Cut at a random place, often near an end."""
    return data[: draw.choice((0, 1, len(data) // 2, len(data) - 1, draw.randrange(len(data) + 1)))]


def flipped(draw: Random, data: bytes) -> bytes:
    """Flip one bit, or a few."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 4))):
        if changed:
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def overwritten(draw: Random, data: bytes) -> bytes:
    """Overwrite a stretch with zeros or noise, as a disk that lost a sector would."""
    start, length = draw.randrange(len(data) + 1), draw.choice((1, 8, 512))
    stretch = bytes(length) if draw.random() < 0.5 else draw.randbytes(length)
    return data[:start] + stretch + data[start + length :]


def inserted(draw: Random, data: bytes) -> bytes:
    """Insert noise, or repeat a stretch."""
    start, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    extra = draw.randbytes(draw.choice((1, 40))) if draw.random() < 0.5 else data[start:end]
    return data[:start] + extra + data[start:]


def replaced(draw: Random, data: bytes) -> bytes:
    """Put another kind of file in its place."""
    other = (b"", b"\n", b"{}", b"[]", b"null", _PAGE, _POINTER, draw.randbytes(300), b"PK\3\4")
    return draw.choice(other)


def recoded(draw: Random, data: bytes) -> bytes:
    """Write a text in another encoding, with another end of lines, or with bytes of none."""
    text = data.decode("utf-8", "replace")
    return draw.choice(
        (
            codecs.BOM_UTF8 + data,
            text.encode("utf-16"),
            ("ä" + text).encode("latin-1", "replace"),
            text.replace("\n", "\r\n").encode(),
            text.replace("a", "\u2028").encode(),
            data.replace(b"e", b"\xff", 1),
            data.replace(b"e", b"\xed\xa0\x80", 1),
            data.replace(b" ", b"\0", 1),
        )
    )


def nested(draw: Random, data: bytes) -> bytes:
    """Nest values deeper than a recursive reader can follow."""
    depth = draw.choice((200, 5000, 100_000))
    deep = b"[" * depth + b"]" * depth if draw.random() < 0.5 else b'{"a":' * depth + b"1"
    return draw.choice((deep, data.replace(b"null", deep, 1), data.replace(b": ", b": " + deep, 1)))


def values_changed(draw: Random, data: bytes) -> bytes:
    """Change the values of a JSON file; the digest at its end goes, as if a person had done it."""
    tree = json.loads(data)
    if isinstance(tree, dict):
        tree.pop("sha256", None)
    return _json(change(draw, tree))


def line_changed(draw: Random, data: bytes) -> bytes:
    """Change the values of one line of a .jsonl file, or the order and number of its lines."""
    lines = data.split(b"\n")
    place = draw.randrange(len(lines))
    if draw.random() < 0.3:
        operation = draw.randrange(3)
        if operation == 0:
            del lines[place]
        elif operation == 1:
            lines.insert(place, lines[draw.randrange(len(lines))])
        else:
            draw.shuffle(lines)
    elif lines[place].strip():
        tree = json.loads(lines[place])
        if isinstance(tree, dict):
            tree.pop("sha256", None)
        lines[place] = _json(change(draw, tree))
    return b"\n".join(lines)


def yaml_changed(draw: Random, data: bytes) -> bytes:
    """Change the values of a YAML file, or add what only YAML has."""
    if draw.random() < 0.25:
        extra = (
            b"\n? [a]\n: 1\n",
            b"\nx: !!python/object/apply:os.getcwd []\n",
            b"\nx: &a [1, *a]\n",
            b"\n\t- x\n",
            b"\n--- {}\n",
            b"\n1: 2\n2001-01-01: 3\n",
            b"\n<<: 3\n",
        )
        return data + draw.choice(extra)
    text = yaml.safe_dump(change(draw, yaml.safe_load(data)), allow_unicode=True)
    return text.encode("utf-8", "surrogatepass")


def header_changed(draw: Random, data: bytes) -> bytes:
    """Change the header of a .safetensors file: its length, or what it says of the tensors."""
    (length,) = struct.unpack("<Q", data[:8])
    if draw.random() < 0.2:
        return struct.pack("<Q", draw.choice((0, 1, length + 8, 2**40, 2**64 - 1))) + data[8:]
    header = _json(change(draw, json.loads(data[8 : 8 + length])))
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def change(draw: Random, tree: Any) -> Any:
    """Change a tree of plain values at one to three places."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        tree = _changed(draw, tree)
    return tree


def _changed(draw: Random, tree: Any) -> Any:
    if not isinstance(tree, dict | list) or not tree or draw.random() < 0.05:
        return draw.choice(NASTY)
    copy: Any = dict(tree) if isinstance(tree, dict) else list(tree)
    keys = list(copy) if isinstance(copy, dict) else range(len(copy))
    key = draw.choice(keys)
    operation = draw.random()
    if operation < 0.7:
        copy[key] = _changed(draw, copy[key])
    elif operation < 0.85:
        del copy[key]
    elif isinstance(copy, dict):
        copy[draw.choice(("", "extra", "schema", "é\u2028", "a.b", "__class__"))] = draw.choice(
            NASTY
        )
    else:
        copy.append(draw.choice((draw.choice(NASTY), copy[key])))
    return copy


def _json(tree: Any) -> bytes:
    # Half of a pair of surrogates is written as an escape, which is valid JSON and no valid text.
    return json.dumps(tree).encode()


DAMAGED: tuple[Mutation, ...] = (truncated, flipped, flipped, overwritten, inserted, replaced)
TEXT: tuple[Mutation, ...] = (recoded, nested)
BY_FORMAT: dict[str, tuple[Mutation, ...]] = {
    "json": (values_changed, values_changed, *TEXT),
    "jsonl": (line_changed, line_changed, *TEXT),
    "yaml": (yaml_changed, yaml_changed, *TEXT),
    "text": TEXT,
    "safetensors": (header_changed,),
    "binary": (),
}
