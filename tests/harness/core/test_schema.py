"""Arguments and settings: checked against a dataclass, mistakes named by their key."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import pytest

from harness.core.errors import ConfigError, UnknownName
from harness.core.schema import build, with_defaults


class Layout(StrEnum):
    released = "released"
    aged = "aged"


@dataclass
class Memory:
    host_gib: float | None = None


@dataclass
class Arguments:
    steps: int = 4
    layout: Layout = Layout.released
    sizes: list[int] = field(default_factory=lambda: [1, 2])
    memory: Memory = field(default_factory=Memory)


def test_values_are_converted_and_defaults_filled_in() -> None:
    built = build(Arguments, {"steps": "8", "layout": "aged", "memory": {"host_gib": 2}}, "method")
    assert built == Arguments(8, Layout.aged, [1, 2], Memory(2.0))
    assert with_defaults(built) == {
        "steps": 8,
        "layout": "aged",
        "sizes": [1, 2],
        "memory": {"host_gib": 2.0},
    }


def test_what_is_built_can_be_built_again() -> None:
    built = build(Arguments, {"sizes": [3]}, "method")
    assert build(Arguments, with_defaults(built), "method") == built


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": 1}, "Unknown method key 'step'. Did you mean 'steps'?"),
        ({"memory": {"host_gb": 1}}, "Unknown method key of memory 'host_gb'. Did you mean"),
        ({"nothing_like_it": 1}, "Known: layout, memory, sizes, steps."),
    ],
)
def test_an_unknown_key_names_the_nearest(values: dict, message: str) -> None:
    with pytest.raises(UnknownName) as caught:
        build(Arguments, values, "method")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": "many"}, "method.steps=many: expected a whole number."),
        ({"layout": "agd"}, "method.layout=agd: expected one of "),
        ({"sizes": 3}, "method.sizes=3: expected a list"),
        ({"memory": {"host_gib": "x"}}, "method.memory.host_gib=x: expected a number"),
    ],
)
def test_a_value_of_another_type_is_one_line(values: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Arguments, values, "method")
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
