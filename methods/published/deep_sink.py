"""Deep Sink, one half of Deep Forcing (Yi et al., arXiv 2512.05081)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from methods.base import ContextPlan, RolloutSpec
from methods.sliding_window import SlidingWindow

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class DeepSink:
    """Deep Sink: more than half of the context is sink, re-phased to just before the newest frames.

    The authors keep S = 10 sink frames of N = 16 (cvlab-kaist/DeepForcing); at another budget the
    same share is kept, rounded down: 7 of 12.

    Args:
        sink_share: S / N, the share of sink frames in the context budget.
    """

    sink_share: float = 10 / 16

    def reset(self, rollout: RolloutSpec) -> None:
        sink_latents = int(self.sink_share * rollout.budget_latents)
        if not 0 <= sink_latents < rollout.past_latents:
            raise ConfigError(
                f"sink_share={self.sink_share:g} of {rollout.budget_latents} are {sink_latents} "
                f"sink frames; there is room for 0 to {rollout.past_latents - 1} beside a block of "
                f"{rollout.block_latents} and one newest frame."
            )
        self._window = SlidingWindow(sink_latents=sink_latents)
        self._window.reset(rollout)

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing: the context follows from the frame number alone."""

    def reach(self, first_frame: int) -> tuple[int, ...]:
        return self._window.reach(first_frame)

    def plan(self, first_frame: int) -> ContextPlan:
        return self._window.plan(first_frame)
