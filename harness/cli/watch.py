"""Watching a state that other processes change: a table that is drawn again, in files lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from rich.console import RenderableType
from rich.live import Live

from harness.cli.terminal import Terminal

S = TypeVar("S")


@dataclass(frozen=True)
class View(Generic[S]):
    """A state that can be watched.

    Attributes:
        read: returns it as it is now.
        render: returns all of it, for a terminal.
        one_line: returns what a file gets whenever it changes.
        goes_on: tells whether it may still change.
    """

    read: Callable[[], S]
    render: Callable[[S], RenderableType]
    one_line: Callable[[S], str]
    goes_on: Callable[[S], bool]


def watch(view: View[S], every_s: float, terminal: Terminal) -> S:
    """Show a state until it no longer changes, and return the last one."""
    state, shown = view.read(), ""
    on_screen = terminal.console.is_terminal
    with Live(view.render(state), console=terminal.console) if on_screen else nullcontext() as live:
        while True:
            if live:
                live.update(view.render(state))
            elif (line := view.one_line(state)) != shown:
                terminal.say(f"{datetime.now():%H:%M:%S} {line}")
                shown = line
            if not view.goes_on(state):
                return state
            time.sleep(every_s)
            state = view.read()
