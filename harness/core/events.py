"""What a worker reports while it runs; one JSON object a line between processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Interrupted(Exception):
    """The user asked to stop; what was done so far is saved."""


class EventKind(StrEnum):
    """What happened."""

    loading = "loading"
    progress = "progress"
    done = "done"
    failed = "failed"
    interrupted = "interrupted"


@dataclass(frozen=True)
class Event:
    """One report of a worker.

    Attributes:
        kind: what happened.
        item: to which unit, or "suite:unit" while scoring; empty while loading.
        amount: latent frames made, or clips scored, so far.
        replayed: whether the last of it was not made anew but taken from what was saved.
        seconds: how long a finished unit took.
        text: what is being loaded, or why a unit failed.
    """

    kind: EventKind
    item: str = ""
    amount: int = 0
    replayed: bool = False
    seconds: float = 0.0
    text: str = ""

    def to_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Event:
        """Read one line of JSON."""
        fields = json.loads(line)
        return cls(**fields | {"kind": EventKind(fields["kind"])})
