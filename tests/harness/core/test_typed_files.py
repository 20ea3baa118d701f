"""Typed JSON files are read back as written; errors name the field that doesn't fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import StoreError
from harness.core.typed_files import (
    from_json,
    from_line,
    from_plain,
    read_typed,
    to_line,
    with_digest,
    without_digests,
    write_typed,
)


@dataclass(frozen=True)
class Inner:
    seconds: float


@dataclass(frozen=True)
class Outer:
    SCHEMA: ClassVar[int] = 3

    name: str
    parts: tuple[Inner, ...] = ()
    note: str | None = None


def read(text: str | bytes) -> Outer:
    return from_json(text, Outer, "a.json")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.floats(allow_nan=False)))
def test_written_files_are_read_back(tmp_path_factory, name: str, seconds: list[float]) -> None:
    path = tmp_path_factory.mktemp("typed") / "file.json"
    written = Outer(name, tuple(Inner(s) for s in seconds if math.isfinite(s)))
    write_typed(path, written)
    assert read_typed(path, Outer) == written


def test_texts_without_digests_can_be_edited_and_read() -> None:
    lines = b"".join(to_line(Inner(seconds)) for seconds in (1.0, 2.0)).decode()
    edited = without_digests(lines).replace("2.0", "3.0")
    assert edited.count("sha256") == 0
    read_back = [from_line(line.encode(), Inner, "a line") for line in edited.splitlines()]
    assert read_back == [Inner(1.0), Inner(3.0)]
    assert without_digests(with_digest('{\n "name": "x"\n}')) == '{\n "name": "x"\n}\n'


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_json_lacks_are_refused_when_written(tmp_path: Path, number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_typed(tmp_path / "file.json", Outer("x", (Inner(number),)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"schema": 2, "name": "x"}', "schema 2, expected 3"),
        ('{"name": "x"}', "schema None, expected 3"),
        ('{"schema": 3}', "missing required field `name`"),
        ('{"schema": 3, "name": 1}', "expected `str`, got `int` at `name`"),
        ('{"schema": 3, "name": "x", "parts": [{"seconds": "1"}]}', "at `parts[0].seconds`"),
        ("[]", "expected `object`, got `array`"),
        ("{torn", "not valid JSON"),
        ('{"schema": NaN}', "not valid JSON"),
        ('{"schema": ' + "[" * 100_000, "at `schema`"),
        ('{"schema": 3, "name": "x", "more": ' + "[" * 100_000, "not valid JSON"),
        ('{"schema": 3, "name": "\\ud800"}', "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        ("", "not valid JSON"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_the_field(text: str | bytes, reason: str) -> None:
    with pytest.raises(StoreError) as caught:
        read(text)
    message = str(caught.value)
    assert message.startswith("a.json: ")
    assert reason in message
    assert "\n" not in message


def test_plain_values_are_checked_as_well() -> None:
    assert from_plain({"name": "x"}, Outer, "a.yaml") == Outer("x")
    with pytest.raises(StoreError, match=r"a\.yaml: expected `str`, got `int` at `name`"):
        from_plain({"name": 1}, Outer, "a.yaml")


def test_a_missing_file_is_not_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_typed(tmp_path / "gone.json", Outer)
    with pytest.raises(StoreError, match="cannot be read"):
        read_typed(tmp_path, Outer)
