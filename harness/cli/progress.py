"""A stage of work in the terminal: a bar with ETA, and one line per finished item."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.core.events import Event, EventKind


class ProgressView:
    """A context manager that shows the events of one stage.

    Args:
        title: verb that names the stage.
        amounts: work in each item (latent frames, clips or steps), by the name that events use.
        labels: readable names of items; an item without a label is shown by its id.
        console: console of the bar, which is shown only in a terminal.
        say: prints a line, with a style.
    """

    def __init__(
        self,
        title: str,
        amounts: Mapping[str, int],
        labels: Mapping[str, str],
        console: Console,
        say: Callable[[str, str | None], None],
    ) -> None:
        self._title = title
        self._amounts = amounts
        self._labels = labels
        self._say = say
        self._made = dict.fromkeys(amounts, 0)
        self._num_ended = 0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> ProgressView:
        self._bar.start()
        self._task = self._bar.add_task(self._title, total=sum(self._amounts.values()), unit="")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, event: Event) -> None:
        """Advance the bar by one event, and print a line if an item ended."""
        label = self._labels.get(event.item, event.item)
        if event.kind is EventKind.loading:
            self._bar.update(self._task, unit=f"loading {event.text}")
            return
        if event.kind is EventKind.note:
            self._say(f"{label}: {event.text}", "yellow")
            return
        if event.kind is EventKind.progress:
            self._made[event.item] = event.amount
        elif event.kind is not EventKind.interrupted:
            self._made[event.item] = self._amounts.get(event.item, 0)
            self._num_ended += 1
            place = f"[{self._num_ended}/{len(self._amounts)}]"
            ok = event.kind is EventKind.done
            outcome = f"{event.seconds:.1f} s" if ok else f"FAILED {event.text}"
            self._say(f"{self._title} {place} {label}: {outcome}", None if ok else "red")
        self._bar.update(self._task, completed=sum(self._made.values()), unit=label)
