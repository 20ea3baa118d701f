"""Base of the strategies that merge neighbours of the past once it no longer fits.

Which entries are merged depends on frame numbers alone, so `reset` computes the whole schedule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.core.errors import ConfigError
from methods.base import ContextPlan, RolloutSpec
from methods.virtual import Write, mean

if TYPE_CHECKING:
    from torch import Tensor


class Entry(NamedTuple):
    """One part of the past.

    Attributes:
        center: latent frame that it stands for.
        span: number of frames that were merged into it.
        number: the frame itself or, of merged ones, a slot.
    """

    center: int
    span: int
    number: int


@dataclass
class Fading:
    """Keeps as many entries as the context has places; a subclass chooses what is merged.

    Frame 0 is never changed: merged with another entry it stays as it is.
    """

    def reset(self, rollout: RolloutSpec) -> None:
        self.size, self.num_entries = rollout.block_latents, rollout.past_latents
        self.check(self.num_entries > self.size, f"a budget of {rollout.budget_latents}")
        self.num_slots = self.num_entries
        self.schedule: dict[int, tuple[tuple[Entry, ...], tuple[Write, ...]]] = {}
        entries: list[Entry] = []
        free = list(range(-self.num_slots, 0))
        for first_frame in range(0, rollout.num_latents + 1, self.size):
            writes: list[Write] = []
            for frame in range(max(0, first_frame - self.size), first_frame):
                entries.append(Entry(frame, 1, frame))
                if len(entries) > self.num_entries:
                    place = self.choose([entry.center for entry in entries], first_frame)
                    pair = entries[place], entries[place + 1]
                    entries[place : place + 2] = [self._merge(*pair, free, writes)]
            self.schedule[first_frame] = tuple(entries), tuple(writes)

    def choose(self, centers: Sequence[int], first_frame: int) -> int:
        """Return the place of the older one of the two neighbours to merge.

        Args:
            centers: of all entries in order, one more than there are places.
            first_frame: first latent frame of the block to come.
        """
        raise NotImplementedError

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing: the schedule follows from frame numbers."""

    def reach(self, first_frame: int) -> tuple[int, ...]:
        """Return the frames that the plan of the block names; later ones name no older ones."""
        return self.plan(first_frame).past_frames()

    def plan(self, first_frame: int) -> ContextPlan:
        """Return the entries at their positions, and the merges since the block before."""
        raise NotImplementedError

    @staticmethod
    def check(fits: bool, argument: str) -> None:
        """Raise an error for an argument that doesn't fit.

        Raises:
            ConfigError: names it.
        """
        if not fits:
            raise ConfigError(f"{argument} leaves no room to merge the past.")

    def _merge(self, old: Entry, new: Entry, free: list[int], writes: list[Write]) -> Entry:
        span = old.span + new.span
        if old.number == 0:
            if new.number < 0:
                free.append(new.number)
            return Entry(0, span, 0)
        weights = old.span**0.5, new.span**0.5
        shares = tuple(weight / sum(weights) for weight in weights)
        slots = [entry.number for entry in (old, new) if entry.number < 0]
        slot = slots[0] if slots else free.pop()
        free += slots[1:]
        writes.append(mean(slot, (old.number, new.number), shares))
        center = round((old.span * old.center + new.span * new.center) / span)
        return Entry(center, span, slot)
