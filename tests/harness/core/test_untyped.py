from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import StoreError
from harness.core.untyped import json_object, read_yaml


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe[", "not YAML in UTF-8"),
        (b"a: [", "not readable YAML"),
        (b"a: &x [1, *x]", "nested more than 100 levels"),
        (b"[" * 2000 + b"]" * 2000, "not readable YAML|nested"),
        (b'a: "\\ud800"', "not valid text|invalid Unicode"),  # without libyaml, with it
        (b"a: 2001-99-01", "month must be"),
        (b"? [a]\n: 1", "unhashable"),
        (b"a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_yaml_that_cannot_be_used_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=reason) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)


def test_aliases_that_multiply_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("harness.core.untyped._MOST_VALUES", 100)
    path = tmp_path / "x.yaml"
    path.write_text(
        "a: &a [1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b]\nd: [*c,*c]\n"
    )
    with pytest.raises(StoreError, match="more than 100 values"):
        read_yaml(path)
    path.write_text("a: &a [1,1]\nb: [*a,*a]\n")
    assert read_yaml(path) == {"a": [1, 1], "b": [[1, 1], [1, 1]]}


def test_plain_yaml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: [1, é]\nb: &x {c: null}\nd: *x\n", encoding="utf-8")
    assert read_yaml(path) == {"a": [1, "é"], "b": {"c": None}, "d": {"c": None}}


@pytest.mark.parametrize("text", ["[1]", "{", "", "[" * 100_000, '{"a": "\\ud800"}', "\x00"])
def test_json_that_is_no_object_is_named(text: str) -> None:
    with pytest.raises(StoreError, match=r"^here: "):
        json_object(text, "here")
