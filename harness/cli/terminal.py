"""The terminal: lines, tables and progress bars, data never parsed as markup."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console

from harness.cli.progress import ProgressView
from harness.core.events import Emit

STOPPED = 130


class Terminal:
    """Standard output for people, as the listener of long steps."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()

    def say(self, text: str, style: str | None = None) -> None:
        """Print a line as it is: not wrapped, no markup."""
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def stage(
        self, title: str, amounts: Mapping[str, int], labels: Mapping[str, str]
    ) -> Iterator[Emit]:
        """Show the events of a stage as a bar with ETA and a line per finished item."""
        with ProgressView(title, amounts, labels, self.console) as view:
            yield view.show

    def say_stopped(self, command: Sequence[str]) -> int:
        """Print how to continue after a stop and return the exit code."""
        self.say(f"Stopped; progress is saved. To continue:\n{shlex.join(command)}")
        return STOPPED
