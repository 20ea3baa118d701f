"""Frames by class of head, after Dummy Forcing (Guo et al., arXiv 2601.20499)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Group, Pass, Role, RolloutSpec, RopeScheme
from methods.groups import Heads, by_layer
from methods.layout import in_a_row
from methods.sliding_window import SlidingWindow

if TYPE_CHECKING:
    from torch import Tensor

    from methods.base import BlockView


@dataclass
class HeadSplit(SlidingWindow):
    """Head split: heads that hardly use the past get none; sink heads get sink and newest frame.

    Once, when the context is first full, heads of all layers are ranked by attention mass. The 25 %
    (as Dummy Forcing finds) with most on the block itself are dummy heads, without a past. As many,
    with most on the sink, see it and the newest frame. Its programming and packing are left out.

    Args:
        share: share of dummy heads, and of sink heads; below 0.5.
    """

    share: float = 0.25
    needs_model: ClassVar[bool] = True
    evidence: ClassVar[tuple[Pass, ...]] = (Pass.clean,)

    def reset(self, rollout: RolloutSpec) -> None:
        super().reset(rollout)
        self._heads: tuple[Heads, ...] = ()
        if not 0 <= self.share < 0.5:
            raise ConfigError(f"share={self.share:g} must be from 0 to below 0.5.")
        if self.rope is not RopeScheme.relative or self.sink_latents >= rollout.past_latents:
            raise ConfigError("head_split needs rope=relative and a frame beside the sink.")

    def attach(self, view: BlockView) -> None:
        self._view = view

    def observe(self, latents: Tensor, first_frame: int) -> None:
        if not self._heads and first_frame >= self._rollout.past_latents:
            mass = self._view.attention_mass(Pass.clean).flatten(0, 1).cpu()
            own, sink = mass[:, -len(latents) :].sum(1), mass[:, : self.sink_latents].sum(1)
            dummy = own.argsort(descending=True).tolist()[: int(self.share * len(own))]
            sinks = [h for h in sink.argsort(descending=True).tolist() if h not in dummy]
            sizes = self._rollout.layers, self._rollout.heads
            self._heads = by_layer(dummy, *sizes), by_layer(sinks[: len(dummy)], *sizes)

    def plan(self, first_frame: int) -> ContextPlan:
        parts = (Role.sink, range(self.sink_latents)), (Role.local, (first_frame - 1,))
        seen = [in_a_row(self._rollout.block_latents, *some) for some in ((), parts)]
        groups = tuple(Group(*pair) for pair in zip(self._heads, seen, strict=False))
        return replace(super().plan(first_frame), groups=groups)
