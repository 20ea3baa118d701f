"""The memory of an external generator, which is its own affair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError, PlanError
from methods.base import ContextPlan, RolloutSpec

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class External:
    """Label for `backbone=external`, whose command makes whole videos without context plans.

    Args:
        label: name of the method in tables.
    """

    label: str = ""

    def reset(self, rollout: RolloutSpec) -> None:
        """Start a new video.

        Raises:
            ConfigError: the backbone is one of Longtake, whose context needs a strategy.
        """
        if rollout.past_latents:
            raise ConfigError("method=external is for backbone=external; choose a strategy.")

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing: nothing is known of the latents of another program."""

    def reach(self, first_frame: int) -> tuple[int, ...]:
        """Return nothing: the engine keeps no keys and values."""
        return ()

    def plan(self, first_frame: int) -> ContextPlan:
        """Refuse: an external generator makes no plans.

        Raises:
            PlanError: always.
        """
        raise PlanError("An external generator has no context plans.")
