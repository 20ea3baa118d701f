"""Events of running workers, and the interface of their listeners.

Between processes an event is one line of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Protocol

from harness.core.typed_files import from_json


class Interrupted(Exception):
    """The user asked to stop; all progress is saved."""


class EventKind(StrEnum):
    """The kind of an event."""

    loading = "loading"
    progress = "progress"
    done = "done"
    failed = "failed"
    interrupted = "interrupted"
    note = "note"


@dataclass(frozen=True)
class Event:
    """One report of a worker.

    Attributes:
        kind: what happened.
        item: id of the unit, or "suite:unit" while scoring; empty while loading.
        amount: latent frames generated, or clips scored, so far.
        replayed: whether the last part was read from saved progress instead of computed, or an
            earlier process of the command has reported the failure already.
        seconds: how long a finished unit took.
        text: what is being loaded, why a unit failed, or a note about the item.
    """

    kind: EventKind
    item: str = ""
    amount: int = 0
    replayed: bool = False
    seconds: float = 0.0
    text: str = ""

    def to_line(self) -> str:
        """Return the event as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Event:
        """Read one line of JSON.

        Raises:
            StoreError: it is not an event.
        """
        return from_json(line, cls, "a line of a worker")


Emit = Callable[[Event], None]
StopRequested = Callable[[], bool]


class Listener(Protocol):
    """Receives the reports of long steps: the terminal, a notebook, or `Silent`."""

    def say(self, text: str) -> None:
        """Show a line to the user."""

    def stage(
        self, title: str, amounts: Mapping[str, int], labels: Mapping[str, str]
    ) -> AbstractContextManager[Emit]:
        """Open a stage of work and return the function that receives its events.

        Args:
            title: verb that names the stage.
            amounts: latent frames, clips or steps of each item, by the name that events use.
            labels: readable names of items; an item without a label is shown by its id.
        """


class Silent:
    """A listener that drops everything."""

    def say(self, text: str) -> None:
        """Drop the line."""

    @contextmanager
    def stage(
        self, title: str, amounts: Mapping[str, int], labels: Mapping[str, str]
    ) -> Iterator[Emit]:
        """Drop the events of the stage."""
        yield lambda event: None
