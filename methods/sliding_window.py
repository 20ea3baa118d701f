"""The sliding window: the first frames as a sink, then the newest frames. No memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Role, RolloutSpec, RopeScheme
from methods.layout import in_a_row

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class SlidingWindow:
    """Keeps `sink_latents` first frames and fills the rest of the budget with the newest ones.

    With relative RoPE the window is numbered 0, 1, 2, ... in order, sink first, so a full window of
    12 puts the block at 9..11. With absolute RoPE each frame keeps its own number, so the distance
    to the sink grows without bound and the video can't outgrow the RoPE table (the public
    Self-Forcing cache does this).

    Args:
        rope: relative or absolute temporal positions.
        sink_latents: first frames that are never evicted.
    """

    rope: RopeScheme = RopeScheme.relative
    sink_latents: int = 1

    def reset(self, rollout: RolloutSpec) -> None:
        if not 0 <= self.sink_latents <= rollout.past_latents:
            raise ConfigError(
                f"sink_latents={self.sink_latents} does not fit: the budget leaves "
                f"0..{rollout.past_latents} past latent frames."
            )
        if self.rope == RopeScheme.absolute and rollout.num_latents > rollout.rope_positions:
            raise ConfigError(
                f"{rollout.num_latents} latents exceed the {rollout.rope_positions} positions "
                "of the RoPE table with rope=absolute; use rope=relative or a shorter duration."
            )
        self._rollout = rollout

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing, because the window follows from the frame number alone."""

    def reach(self, first_frame: int) -> tuple[int, ...]:
        """Return the frames of the window: a frame that left it never returns."""
        sink, local = self._window(first_frame)
        return (*sink, *local)

    def plan(self, first_frame: int) -> ContextPlan:
        sink, local = self._window(first_frame)
        size = self._rollout.block_latents
        plan = in_a_row(size, (Role.sink, sink), (Role.local, local))
        if self.rope == RopeScheme.absolute:
            block = tuple(range(first_frame, first_frame + size))
            return replace(plan, positions=plan.frames, query_positions=block)
        return plan

    def _window(self, first_frame: int) -> tuple[range, range]:
        sink = range(min(self.sink_latents, first_frame))
        room = self._rollout.past_latents - len(sink)
        return sink, range(max(len(sink), first_frame - room), first_frame)
