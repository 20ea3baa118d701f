"""FadeMem (Lu et al., arXiv 2606.10671), without fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import ContextPlan, Role, RolloutSpec
from methods.fading import Entry, Fading

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class FadeMem(Fading):
    """FadeMem: past frames merged into entries; the older the frames, the larger the entries.

    Once there are more entries than places, two neighbours become one: those whose ages differ
    least under age ** warp, never the newest two; frame 0 absorbs others unchanged. Keys and values
    are averaged with weights span ** 0.5, the entry's place with its span. Full, positions lie in a
    range of 21: frame 0 at 0, the newest three entries before the block, the others at their true
    age or as near as free places allow. The authors keep 12 entries, here the budget's past of 9.
    Source: `wan/modules/fademem_memory.py` (299ecef), aniki-ly/FadeMem.

    Args:
        warp: exponent of ages (fademem_warp_beta).
        span_latents: range of temporal positions.
    """

    warp: float = 0.3
    span_latents: int = 21

    def reset(self, rollout: RolloutSpec) -> None:
        self.check(self.span_latents >= rollout.budget_latents, f"span_latents={self.span_latents}")
        super().reset(rollout)

    def choose(self, centers: Sequence[int], first_frame: int) -> int:
        ages = [(first_frame - center) ** self.warp for center in centers]
        return min(range(len(ages) - 2), key=lambda i: ages[i] - ages[i + 1])

    def plan(self, first_frame: int) -> ContextPlan:
        entries, writes = self.schedule[first_frame]
        block = self.span_latents - self.size
        full = first_frame >= block and len(entries) == self.num_entries
        positions = self._near_age(entries, first_frame, block) if full else [e[0] for e in entries]
        start = block if full else first_frame
        query_positions = tuple(range(start, start + self.size))
        roles = [Role.virtual if e.number < 0 else Role.local for e in entries]
        numbers = tuple(entry.number for entry in entries)
        return ContextPlan(numbers, tuple(positions), query_positions, tuple(roles), None, writes)

    def _near_age(self, entries: Sequence[Entry], first_frame: int, block: int) -> list[int]:
        far, gap, positions = entries[1 : -self.size], block, [0]
        for left, entry in zip(reversed(range(len(far))), far, strict=True):
            age = min(max(first_frame - entry.center, self.size + 1), block - 1) ** self.warp
            off = {g: abs(g**self.warp - age) for g in range(self.size + 1 + left, gap)}
            gap = min(off, key=off.__getitem__)
            positions.append(block - gap)
        return [*positions, *range(block - self.size, block)]
