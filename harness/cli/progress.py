"""What the terminal shows while work runs: a bar with ETA, and one line per finished unit."""

from __future__ import annotations

from collections.abc import Mapping

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
        title: what the stage does.
        amounts: work in each item (latent frames or clips), by the name that events use.
        labels: how to call each item.
        console: where to print; lines are plain when it is no terminal.
    """

    def __init__(
        self,
        title: str,
        amounts: Mapping[str, int],
        labels: Mapping[str, str],
        console: Console,
    ) -> None:
        self._title = title
        self._amounts = amounts
        self._labels = labels
        self._console = console
        self._made = dict.fromkeys(amounts, 0)
        self._num_ended = 0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
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
        """Take in one event."""
        label = self._labels.get(event.item, event.item)
        if event.kind is EventKind.loading:
            self._bar.update(self._task, unit=f"loading {event.text}")
            return
        if event.kind is EventKind.progress:
            self._made[event.item] = event.amount
        elif event.kind is not EventKind.interrupted:
            self._made[event.item] = self._amounts.get(event.item, 0)
            self._num_ended += 1
            place = f"[{self._num_ended}/{len(self._amounts)}]"
            ok = event.kind is EventKind.done
            outcome = f"{event.seconds:.1f} s" if ok else f"FAILED {event.text}"
            line = f"{self._title} {place} {label}: {outcome}"
            self._console.print(
                line, style=None if ok else "red", markup=False, highlight=False, soft_wrap=True
            )
        self._bar.update(self._task, completed=sum(self._made.values()), unit=label)
