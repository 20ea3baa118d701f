"""Controls of virtual frames: they show whether what is merged, and when, matters."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Role, RolloutSpec
from methods.published.fademem import FadeMem
from methods.sliding_window import SlidingWindow
from methods.virtual import mean

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class RandomMerge(FadeMem):
    """FadeMem whose merged neighbours are drawn at random, by seed and frame."""

    def reset(self, rollout: RolloutSpec) -> None:
        self._seed = rollout.seed
        super().reset(rollout)

    def choose(self, centers: Sequence[int], first_frame: int) -> int:
        """Return any place but that of the newest two."""
        draw = random.Random(f"{self._seed}/{first_frame}/{centers[-1]}")
        return draw.randrange(len(centers) - 2)


@dataclass
class MergedSink:
    """The sliding window whose sink is the mean of the first block, and never changes.

    Beside `ema_sink` it shows what updating the sink does; beside `sliding_window`, what merging
    alone does.
    """

    def reset(self, rollout: RolloutSpec) -> None:
        self.num_slots, self._size = 1, rollout.block_latents
        if rollout.past_latents < 2:
            raise ConfigError("merged_sink needs room for the sink and one past frame.")
        self._window = SlidingWindow()
        self._window.reset(rollout)

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing: the window follows from the frame number alone."""

    def reach(self, first_frame: int) -> tuple[int, ...]:
        """Return the window, and the first block until it is merged."""
        return (*range(min(self._size, first_frame)), *self._window.reach(first_frame))

    def plan(self, first_frame: int) -> ContextPlan:
        """Return the plan of the sliding window with the merged sink in place of frame 0."""
        plan = self._window.plan(first_frame)
        if first_frame == 0:
            return plan
        writes = [mean(-1, range(self._size))] if first_frame == self._size else []
        frames, roles = (-1, *plan.frames[1:]), (Role.virtual, *plan.roles[1:])
        return replace(plan, frames=frames, roles=roles).with_writes(writes)
