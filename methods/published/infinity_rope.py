"""Infinity-RoPE (Yesiltepe et al., arXiv 2511.20649)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Role, RolloutSpec
from methods.layout import in_a_row

if TYPE_CHECKING:
    from torch import Tensor

    from methods.base import BlockView


@dataclass
class InfinityRope:
    """Infinity-RoPE: positions that move with a short window, and a KV flush where prompts change.

    The window is W = 6 latent frames with one sink frame, at positions 0..W-1 (block-relativistic
    RoPE). When the prompt changes, all but the sink and the last frame leave the context (KV flush,
    with `switch=keep`). Scene cuts (RoPE cut) are left out: scripts have no mark for them. With one
    prompt and `window_latents=12`, the equal budget, the context is that of `sliding_window`.

    Args:
        window_latents: W, the block included.
        sink_latents: first frames that are never evicted.
    """

    window_latents: int = 6
    sink_latents: int = 1
    needs_model: ClassVar[bool] = False

    def reset(self, rollout: RolloutSpec) -> None:
        self._rollout = rollout
        self._room = self.window_latents - rollout.block_latents - self.sink_latents
        if self.sink_latents < 0 or self._room < 1 or self.window_latents > rollout.budget_latents:
            raise ConfigError(
                f"window_latents={self.window_latents} must hold the sink, a block of "
                f"{rollout.block_latents} and at least one frame between them, and be at most the "
                f"budget of {rollout.budget_latents}; sink_latents={self.sink_latents}."
            )

    def attach(self, view: BlockView) -> None:
        self._view = view

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing: the window follows from frame numbers and prompts."""

    def reach(self, first_frame: int) -> tuple[int, ...]:
        sink = range(min(self.sink_latents, first_frame))
        return (*sink, *range(max(len(sink), first_frame - self._room), first_frame))

    def plan(self, first_frame: int) -> ContextPlan:
        sink = range(min(self.sink_latents, first_frame))
        flushed = self._view.segment().first_frame - 1
        local = range(max(len(sink), first_frame - self._room, flushed), first_frame)
        return in_a_row(self._rollout.block_latents, (Role.sink, sink), (Role.local, local))
