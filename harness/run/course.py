"""The course of a shard, from its events: what has ended, and whom to blame if its process ends."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.events import Event, EventKind

_ENDED = (EventKind.done, EventKind.failed)


class Course:
    """The items of one shard in one process.

    Args:
        items: of the shard.

    Attributes:
        ended: items that are done or failed.
        current: the item in progress.
    """

    def __init__(self, items: Sequence[str]) -> None:
        self.ended: set[str] = set()
        self.current: str | None = None
        self._items = items

    def follow(self, event: Event) -> None:
        """Take note of an event."""
        if event.kind in _ENDED:
            self.ended.add(event.item)
            self.current = None
        elif event.kind is EventKind.progress:
            self.current = event.item

    @property
    def left(self) -> list[str]:
        """The items that have not ended."""
        return [item for item in self._items if item not in self.ended]

    @property
    def blamed(self) -> list[str]:
        """The items that have failed if the process ends now.

        A process that ends before its first item would do so again, so all its items have failed;
        between two items none has.
        """
        if self.current:
            return [self.current]
        return [] if self.ended else self.left
