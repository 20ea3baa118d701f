from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from harness.cli import progress
from harness.cli.progress import Expected
from harness.cli.terminal import Terminal
from harness.core.events import Event, EventKind


def test_counts_include_what_was_there_and_stages_share_one_bar() -> None:
    out = io.StringIO()
    terminal = Terminal(Console(file=out, force_terminal=True, width=120, color_system=None))
    expected = {"generate": Expected(90.0, num_there=2), "score": Expected(10.0)}
    with terminal.whole(expected) as bar:
        with terminal.stage("generate", {"a": 4, "b": 4}, {"a": "first"}) as emit:
            emit(Event(EventKind.progress, "a", amount=2))
            assert bar._bar.tasks[0].percentage == pytest.approx(22.5)
            emit(Event(EventKind.done, "a", seconds=61))
            emit(Event(EventKind.failed, "b", text="no"))
        with terminal.stage("score", {"x": 1}, {}) as emit:
            assert bar._bar.tasks[0].percentage == pytest.approx(90)
            emit(Event(EventKind.done, "x", seconds=1))
        assert bar._bar.tasks[0].percentage == pytest.approx(100)
        assert set(bar.seconds) == {"generate", "score"}
    assert "generate [3/4] first: 1 min 1 s" in out.getvalue()
    assert "generate [4/4] b: FAILED no" in out.getvalue()
    assert "score [1/1] x: 1.0 s" in out.getvalue()


@pytest.mark.parametrize("width", [80, 200])
def test_a_long_name_leaves_the_bar_its_count_and_its_times(width: int) -> None:
    out = io.StringIO()
    terminal = Terminal(Console(file=out, force_terminal=True, width=width, color_system=None))
    label = "street | sliding_window.window=24 | scenes/a walk of many words | seed 0" * 3
    with terminal.whole({}) as bar, terminal.stage("generate", {"a": 4}, {"a": label}) as emit:
        emit(Event(EventKind.progress, "a", amount=1))
        drawn = io.StringIO()
        Console(file=drawn, width=width).print(bar._bar.get_renderable())
    (line,) = drawn.getvalue().splitlines()
    assert re.search(r"generate 0/1 .{20}  25% 0:00:00 ETA -:--:-- street \|.*…", line)


def test_where_there_is_no_terminal_a_line_says_now_and_then_how_far_it_is(monkeypatch) -> None:
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    out = io.StringIO()
    terminal = Terminal(Console(file=out))
    with terminal.stage("generate", {"a": 4}, {}) as emit:
        for amount in range(1, 4):
            emit(Event(EventKind.progress, "a", amount=amount))
    lines = [line for line in out.getvalue().splitlines() if "%" in line]
    assert lines and lines[-1].startswith(("50 %: generate 0/1", "75 %: generate 0/1"))


def test_a_quiet_terminal_says_failures_and_what_is_needed() -> None:
    out = io.StringIO()
    terminal = Terminal(Console(file=out), quiet=True)
    with terminal.stage("generate", {"a": 1, "b": 1}, {}) as emit:
        emit(Event(EventKind.done, "a"))
        emit(Event(EventKind.failed, "b", text="no"))
    terminal.say("small talk")
    terminal.say("page", needed=True)
    assert out.getvalue().splitlines() == ["generate [2/2] b: FAILED no", "page"]
