"""MemFlow (Ji et al., arXiv 2512.14699): its narrative adaptive memory."""

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
class MemFlow:
    """MemFlow: sink, newest frames, and a bank of frames that match the prompt of the coming block.

    Before each block the bank keeps the frames whose keys fit the prompt best and takes up the
    first frame of the block before. The fit is the product with the prompt's cross-attention keys
    (compress_kv_bank of KlingAIResearch/MemFlow; there by token and layer, here of means, over all
    layers). Sparse memory activation is left out. Of 12 frames 3 are sink, 3 bank, 3 newest.

    Args:
        sink_latents, bank_latents: frames of sink and bank; the rest is newest.
    """

    sink_latents: int = 3
    bank_latents: int = 3
    needs_model: ClassVar[bool] = True

    def reset(self, rollout: RolloutSpec) -> None:
        self._size, self._past = rollout.block_latents, rollout.past_latents
        self._newest = self._past - self.sink_latents - self.bank_latents
        self._bank, self._keys, self._kept = list[int](), dict[int, "Tensor"](), dict[int, tuple]()
        if min(self.sink_latents, self.bank_latents - 1, self._newest - 1) < 0:
            raise ConfigError(f"Sink and bank leave {self._newest} of {self._past} frames.")

    def attach(self, view: BlockView) -> None:
        self._view = view

    def observe(self, latents: Tensor, first_frame: int) -> None:
        self._keys[first_frame] = self._view.mean_keys()[0]

    def reach(self, first_frame: int) -> tuple[int, ...]:
        return self._kept.get(first_frame, tuple(range(first_frame))[-self._past :])

    def plan(self, first_frame: int) -> ContextPlan:
        if first_frame > self.sink_latents:
            text, keys = self._view.mean_text_keys(), self._keys
            best = sorted(self._bank, key=lambda f: (-float((keys[f] * text).sum()), f))
            self._bank = [*sorted(best[: self.bank_latents - 1]), first_frame - self._size]
        sink = range(min(self.sink_latents, first_frame))
        local = range(max(len(sink), first_frame - self._newest), first_frame)
        parts = (Role.sink, sink), (Role.memory, self._bank), (Role.local, local)
        self._kept = {first_frame: (*sink, *self._bank, *local)}
        return in_a_row(self._size, *parts)
