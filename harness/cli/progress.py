"""Progress in the terminal: one bar with ETA over all stages, and a line per finished item."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from harness.core.events import Emit, Event, EventKind
from harness.core.human import duration_text

BAR_WIDTH = 20  # leaves some columns of 80 for the name of the item
_PLAIN_EVERY_S = 30.0
_SPEED_PERIOD_S = 600.0  # a block of a long video may take a minute
Say = Callable[[str, str | None], None]


def unbroken() -> Column:
    """Return the table column of a part of a bar that is never wrapped."""
    return Column(no_wrap=True)


def name_column(text: str) -> TextColumn:
    """Return the last column of an expanded bar: a name, cut to the width that is left.

    Args:
        text: its format, as for `rich.progress.TextColumn`.
    """
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    return TextColumn(text, markup=False, table_column=rest)


@dataclass(frozen=True)
class Expected:
    """A stage before it begins.

    Attributes:
        share: its part of the whole, in any unit that all stages have.
        num_there: items that were done before and count as done.
    """

    share: float
    num_there: int = 0


class ProgressBar:
    """A context manager with one bar over several stages.

    Where the output is not a terminal, a line says now and then how far it is.

    Args:
        console: where it is drawn.
        say: prints a line, with a style.
        expected: the stages by title; one that isn't named gets a share of 1.

    Attributes:
        seconds: wall time of the stages so far, by title.
    """

    def __init__(self, console: Console, say: Say, expected: Mapping[str, Expected]) -> None:
        self.seconds: dict[str, float] = {}
        self._say = say
        self._expected = dict(expected)
        self._before = 0.0
        self._plain = not console.is_terminal
        self._said = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False, table_column=unbroken()),
            BarColumn(BAR_WIDTH),
            TaskProgressColumn(table_column=unbroken()),
            TimeElapsedColumn(table_column=unbroken()),
            TextColumn("ETA", table_column=unbroken()),
            TimeRemainingColumn(table_column=unbroken()),
            name_column("{task.fields[item]}"),
            console=console,
            disable=self._plain,
            expand=True,
            speed_estimate_period=_SPEED_PERIOD_S,
        )

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        total = sum(stage.share for stage in self._expected.values())
        self._task = self._bar.add_task("", total=total or 1.0, item="")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @contextmanager
    def stage(
        self, title: str, amounts: Mapping[str, int], labels: Mapping[str, str]
    ) -> Iterator[Emit]:
        """Open a stage and yield the function that receives its events."""
        expected = self._expected.get(title, Expected(1.0))
        view = _StageView(self, title, amounts, labels, expected)
        started = time.perf_counter()
        view.advance("")
        try:
            yield view.show
        finally:
            took_s = time.perf_counter() - started
            self.seconds[title] = self.seconds.get(title, 0.0) + took_s
        # A stage may be opened again, for videos that were damaged: its share is used up.
        self._expected[title] = Expected(0.0, expected.num_there)
        self._before += expected.share

    def move(self, done: float, description: str, item: str) -> None:
        """Show the share of the open stage that is done."""
        self._bar.update(
            self._task, completed=self._before + done, description=description, item=item
        )
        if self._plain and time.monotonic() - self._said > _PLAIN_EVERY_S:
            task = self._bar.tasks[0]
            left = task.time_remaining
            eta = f", about {duration_text(left)} left" if left else ""
            self.say(f"{task.percentage:.0f} %: {description}{eta}")

    def say(self, text: str, style: str | None = None) -> None:
        """Print a line above the bar."""
        self._said = time.monotonic()
        self._say(text, style)


class _StageView:
    """The events of one stage, as lines and as movement of the bar."""

    def __init__(
        self,
        bar: ProgressBar,
        title: str,
        amounts: Mapping[str, int],
        labels: Mapping[str, str],
        expected: Expected,
    ) -> None:
        self._bar = bar
        self._title = title
        self._amounts = amounts
        self._labels = labels
        self._expected = expected
        self._made = dict.fromkeys(amounts, 0)
        self._num_made = 0
        self._amount = max(1, sum(amounts.values()))
        self._num_ended = expected.num_there
        self._num_items = expected.num_there + len(amounts)

    @property
    def _place(self) -> str:
        return f"{self._num_ended}/{self._num_items}"

    def advance(self, item: str) -> None:
        """Move the bar to what is made."""
        done = min(1.0, self._num_made / self._amount)
        self._bar.move(done * self._expected.share, f"{self._title} {self._place}", item)

    def show(self, event: Event) -> None:
        """Advance the bar by one event, and print a line if an item ended."""
        label = self._labels.get(event.item, event.item)
        if event.kind is EventKind.loading:
            self.advance(f"loading {event.text}")
            return
        if event.kind is EventKind.note:
            self._bar.say(f"{label}: {event.text}", "yellow")
            return
        if event.kind is EventKind.progress:
            self._count(event.item, event.amount)
        elif event.kind is not EventKind.interrupted:
            self._count(event.item, self._amounts.get(event.item, 0))
            self._num_ended += 1
            ok = event.kind is EventKind.done
            outcome = duration_text(event.seconds) if ok else f"FAILED {event.text}"
            line = f"{self._title} [{self._place}] {label}: {outcome}"
            if not event.replayed:
                self._bar.say(line, None if ok else "red")
        self.advance(label)

    def _count(self, item: str, amount: int) -> None:
        self._num_made += amount - self._made.get(item, 0)
        self._made[item] = amount
