"""The terminal: lines, tables, progress bars and JSON; data is never parsed as markup."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.progress import Expected, ProgressBar
from harness.core.events import Emit

STOPPED = 130


class Terminal:
    """The terminal that commands print to, and the listener of long steps.

    Args:
        console: where to print; standard output by default.
        as_json: standard output gets one JSON document; everything else goes to standard error.
        plain_width: width of tables where the output is a file or a pipe.
        quiet: print only failures and needed lines, and no progress.
    """

    def __init__(
        self,
        console: Console | None = None,
        as_json: bool = False,
        plain_width: int | None = None,
        quiet: bool = False,
    ) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.console = console or Console(stderr=as_json)
        self._whole: ProgressBar | None = None
        if plain_width and not self.console.is_terminal:
            self.console.width = plain_width

    def say(self, text: str, style: str | None = None, needed: bool = False) -> None:
        """Print a line verbatim: not wrapped, no markup.

        Args:
            text: the line.
            style: its style; red lines are always printed.
            needed: print it even if the terminal is quiet.
        """
        if self.quiet and not needed and style != "red":
            return
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def print_table(
        self, header: Sequence[str], rows: Sequence[Sequence[str | Text]], **options: Any
    ) -> None:
        """Print rows as a table; `options` are those of rich's Table."""
        if self.quiet:
            return
        table = Table(**options)
        for cell in header:
            table.add_column(Text(cell), overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        self.console.print(table)

    def print_json(self, data: Any) -> None:
        """Print a JSON document on standard output; NaN, which JSON doesn't know, becomes null.

        Raises:
            ValueError: a number is infinite.
        """
        print(json.dumps(_with_nulls(data), indent=2, allow_nan=False))

    @contextmanager
    def whole(self, expected: Mapping[str, Expected]) -> Iterator[ProgressBar]:
        """Show the stages opened within as one bar with ETA."""
        console = Console(quiet=True) if self.quiet else self.console
        with ProgressBar(console, self.say, expected) as bar:
            self._whole = bar
            try:
                yield bar
            finally:
                self._whole = None

    @contextmanager
    def stage(
        self, title: str, amounts: Mapping[str, int], labels: Mapping[str, str]
    ) -> Iterator[Emit]:
        """Show the events of a stage: a line per finished item, and in the bar of the whole.

        A stage of its own has a bar of its own.
        """
        if self._whole is None:
            with self.whole({}), self.stage(title, amounts, labels) as emit:
                yield emit
        else:
            with self._whole.stage(title, amounts, labels) as emit:
                yield emit

    def say_stopped(self, command: Sequence[str]) -> int:
        """Print how to continue after a stop and return the exit code."""
        self.say(f"Stopped; progress is saved. To continue:\n{shlex.join(command)}", needed=True)
        return STOPPED


def _with_nulls(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {name: _with_nulls(part) for name, part in data.items()}
    if isinstance(data, list | tuple):
        return [_with_nulls(part) for part in data]
    return None if isinstance(data, float) and math.isnan(data) else data
