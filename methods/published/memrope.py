"""MemRoPE (Kim et al., arXiv 2603.12513)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Role, RolloutSpec
from methods.layout import in_a_row
from methods.virtual import mean, moving_average, pooled

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class MemRope:
    """MemRoPE: 3 sink frames, a long and a short running average of what was evicted, 4 recent.

    Both averages begin as the mean of the first evicted block. With each later one the long average
    takes 0.01 of it, the short 0.1. As in the public code, a block counts by the mean over all its
    tokens, and the two frames whose places they take enter neither. Positions count 0, 1, ...
    Source: `wan/modules/causal_model.py` (5c3d71d) of YoungRaeKimm/MemRoPE.

    Args:
        alpha_long, alpha_short: shares that the averages take of an evicted block.
        sink_latents: first frames that are never evicted.
    """

    alpha_long: float = 0.01
    alpha_short: float = 0.1
    sink_latents: int = 3

    def reset(self, rollout: RolloutSpec) -> None:
        self.num_slots, self._size, self._past = 2, rollout.block_latents, rollout.past_latents
        self._recent = self._past - self.sink_latents - 2
        if self.sink_latents < 0 or self._recent < 1:
            raise ConfigError(f"sink_latents={self.sink_latents} leaves no recent frame.")

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing: the context follows from the frame number alone."""

    def reach(self, first_frame: int) -> tuple[int, ...]:
        start = first_frame - max(self._past, self._recent + self._size)  # of the evicted block
        return tuple(f for f in range(first_frame) if f < self.sink_latents or f >= start)

    def plan(self, first_frame: int) -> ContextPlan:
        sink = range(min(self.sink_latents, first_frame))
        if first_frame <= self._past:
            local = range(len(sink), first_frame)
            return in_a_row(self._size, (Role.sink, sink), (Role.local, local))
        local = range(first_frame - self._recent, first_frame)
        evicted = range(local[0] - self._size, local[0])
        writes = [mean(-1, evicted), mean(-2, evicted)]
        if first_frame - self._size > self._past:
            shares = self.alpha_long, self.alpha_short
            writes = [moving_average(-1 - i, evicted, 1 - share) for i, share in enumerate(shares)]
        parts = (Role.sink, sink), (Role.virtual, (-1, -2)), (Role.local, local)
        return in_a_row(self._size, *parts).with_writes(map(pooled, writes))
