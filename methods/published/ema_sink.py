"""EMA-Sink of Reward Forcing (Lu et al., arXiv 2512.04678)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Role, RolloutSpec
from methods.layout import in_a_row
from methods.virtual import mean, moving_average

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class EmaSink:
    """EMA-Sink: the three frames of the sink take up a little of each frame that leaves the window.

    sink_i <- 0.999 sink_i + 0.001 evicted_i, where i counts the three frames of the block that is
    evicted. Positions count 0, 1, ... over sink and window. The public code averages in bfloat16,
    where such a step is mostly lost; slots here are float32. Source: compression_alpha of
    `wan/modules/causal_model.py` (the authors' repository is JaydenLu666/Reward-Forcing).

    Args:
        keep: share of itself that the sink keeps.
    """

    keep: float = 0.999

    def reset(self, rollout: RolloutSpec) -> None:
        self.num_slots = self._size = rollout.block_latents
        self._window = rollout.past_latents - self._size
        if not 0 <= self.keep <= 1 or self._window < 1:
            raise ConfigError(f"keep={self.keep:g} must be 0 to 1, and the budget 3 blocks.")

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing: the context follows from the frame number alone."""

    def reach(self, first_frame: int) -> range:
        return range(max(0, first_frame - self._window - self._size), first_frame)

    def plan(self, first_frame: int) -> ContextPlan:
        slots = range(-1, -1 - min(self._size, first_frame), -1)
        oldest = max(self._size, first_frame - self._window)
        local = range(oldest, max(oldest, first_frame))
        evicted = range(max(self._size, oldest - self._size), oldest)
        plan = in_a_row(self._size, (Role.virtual, slots), (Role.local, local))
        if first_frame == self._size:
            writes = [mean(slot, [frame]) for frame, slot in enumerate(slots)]
        else:
            # At the start fewer frames than a block leave the window.
            writes = [moving_average(-1 - f % self._size, [f], self.keep) for f in evicted]
        return plan.with_writes(writes)
