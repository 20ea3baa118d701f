from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.core.errors import StoreError
from harness.core.typed_files import from_line, read_typed, to_line, write_typed


@dataclass(frozen=True)
class Measured:
    """A file with a text, a number and a table."""

    SCHEMA: ClassVar[int] = 3

    name: str
    value: float
    by_key: dict[str, int]


@dataclass(frozen=True)
class Line:
    """A part of it."""

    name: str
    value: float


WRITTEN = Measured('blue "squares" \n}\n', 0.1 + 0.2, {"a": 1, "sha256": 2})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_typed(path, WRITTEN)
    assert read_typed(path, Measured) == WRITTEN


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@example(place=0.0, bit=0)
def test_no_flipped_bit_changes_what_is_read(tmp_path: Path, place: float, bit: int) -> None:
    path = tmp_path / "file.json"
    write_typed(path, WRITTEN)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(data)
    try:
        assert read_typed(path, Measured) == WRITTEN
    except StoreError as error:
        assert str(path) in str(error)


@settings(max_examples=300, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_changes_what_is_read_of_a_line(place: float, bit: int) -> None:
    data = bytearray(to_line(WRITTEN))
    assert from_line(bytes(data), Line, "x") == Line(WRITTEN.name, WRITTEN.value)
    data[int(place * len(data))] ^= 1 << bit
    try:
        assert from_line(bytes(data), Line, "x") == Line(WRITTEN.name, WRITTEN.value)
    except StoreError as error:
        assert str(error).startswith("x: ")


def test_a_line_written_by_hand_needs_no_digest() -> None:
    assert from_line(b'{"name": "a", "value": 1}\n', Line, "x") == Line("a", 1.0)


def test_a_file_written_by_hand_needs_no_digest(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"schema": 3, "name": "a", "value": 1, "by_key": {}}')
    assert read_typed(path, Measured) == Measured("a", 1.0, {})


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"schema": 3, "name": "\\ud800", "value": 1, "by_key": {}}',
        '{"schema": 3, "name": "a", "value": ' + "9" * 5_000 + ', "by_key": {}}',
        '{"schema": 3, "name": "a", "value": 1, "by_key": {"a": ' + "9" * 5_000 + "}}",
        '{"schema": 2, "name": "a", "value": 1, "by_key": {}}',
        "",
    ],
    ids=["deep", "lone surrogate", "huge float", "huge integer", "other schema", "empty"],
)
def test_text_that_does_not_fit_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(StoreError, match=str(path)):
        read_typed(path, Measured)
