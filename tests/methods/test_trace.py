"""Lines of trace.jsonl: a plan is read back as it was, a damaged line is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import StoreError
from methods.base import ContextPlan, Role
from methods.trace import TraceLine, read_trace

PLAN = ContextPlan(
    frames=(0, 5, 9),
    positions=(0, 0, 8),
    query_positions=(9, 10, 11),
    roles=(Role.sink, Role.memory, Role.local),
    scores=(0.5,),
)


def test_a_line_is_read_back_as_it_was() -> None:
    line = TraceLine.of(4, 12, PLAN)
    assert TraceLine.from_json(line.to_json(), "line") == line
    assert line.memory_frames == PLAN.memory_frames() == (5,)
    assert line.without_scores().scores is None


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (('"frames": [0, 5, 9]', '"frames": [0, 5]'), "frames and roles differ in length"),
        (("[0.5]", "[0.5, 0.6]"), "one score per memory frame"),
        (('"memory"', '"nothing"'), "at `roles[1]`"),
        (('"block"', '"other"'), "missing required field `block`"),
    ],
)
def test_a_damaged_line_is_named_and_the_others_are_read(
    tmp_path: Path, damage: tuple[str, str], reason: str
) -> None:
    good = TraceLine.of(4, 12, PLAN)
    path = tmp_path / "trace.jsonl"
    path.write_text(f"{good.to_json()}\n{good.to_json().replace(*damage)}\n")
    first, second = read_trace(path, TraceLine)
    assert first == good
    assert isinstance(second, StoreError)
    assert str(second).startswith(f"{path}, line 2: ")
    assert reason in str(second)
