"""The attention window that the authors of a backbone use, so that it runs as published."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from methods.base import ContextPlan, RolloutSpec
from methods.sliding_window import SlidingWindow

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Native:
    """A sliding window with the size, sink and RoPE scheme of the backbone's authors."""

    def reset(self, rollout: RolloutSpec) -> None:
        window = rollout.native_window
        if window is None:
            raise ConfigError(
                "method native: this backbone has no window of its authors; use sliding_window."
            )
        if window.budget_latents > rollout.budget_latents:
            raise ConfigError(
                f"method native: the authors' window is {window.budget_latents} latent frames, the "
                f"context budget {rollout.budget_latents}; use backbone.setting=official."
            )
        self._window = SlidingWindow(window.rope, window.sink_latents)
        self._window.reset(replace(rollout, budget_latents=window.budget_latents))

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing, because the window follows from the frame number alone."""

    def reach(self, first_frame: int) -> tuple[int, ...]:
        return self._window.reach(first_frame)

    def plan(self, first_frame: int) -> ContextPlan:
        return self._window.plan(first_frame)
