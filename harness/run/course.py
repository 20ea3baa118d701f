"""The course of a shard, from its events: what has ended, and whom to blame if its process ends."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.events import Event, EventKind

_ENDED = (EventKind.done, EventKind.failed)


class Course:
    """The items of one shard in one process.

    Args:
        items: of the shard.
        batch: most of them that are in progress at the same time.

    Attributes:
        ended: items that are done or failed.
    """

    def __init__(self, items: Sequence[str], batch: int = 1) -> None:
        self.ended: set[str] = set()
        self._begun: dict[str, None] = {}  # the latest to progress comes last
        self._items = items
        self._batch = batch

    def follow(self, event: Event) -> None:
        """Take note of an event."""
        if event.kind in _ENDED:
            self.ended.add(event.item)
            self._begun.pop(event.item, None)
        elif event.kind is EventKind.progress:
            self._begun.pop(event.item, None)
            self._begun[event.item] = None
            for item in [*self._begun][: -self._batch]:  # another process took it over
                del self._begun[item]

    @property
    def in_progress(self) -> list[str]:
        """The items that have begun and not ended, several only if they are made in step."""
        return sorted(self._begun)

    @property
    def in_step(self) -> list[str]:
        """The items to be made by themselves if the process ends now, to tell which ends it."""
        return self.in_progress if len(self.in_progress) > 1 else []

    @property
    def left(self) -> list[str]:
        """The items that have not ended."""
        return [item for item in self._items if item not in self.ended]

    @property
    def blamed(self) -> list[str]:
        """The items that have failed if the process ends now.

        A process that ends before its first item would do so again, so all its items have failed;
        between two items, and with several in step, none has.
        """
        if self.in_progress:
            return [] if self.in_step else self.in_progress
        return [] if self.ended else self.left
