"""Relax Forcing (Zhao et al., arXiv 2603.21366, BMVC 2026)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch.nn.functional import normalize

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Role, RolloutSpec
from methods.layout import in_a_row

if TYPE_CHECKING:
    from torch import Tensor

    from methods.base import BlockView


@dataclass
class Relax:
    """Relax Forcing: two sink frames, one chosen frame of history and the newest frame.

    Four candidates lie evenly in the later half of the last 120 frames before the newest. The one
    of highest cos(sink) - 2 cos(newest) is chosen, of first-layer keys, here averaged over a frame.
    Positions of the others end just before the newest frame's. Source: zengqunzhao/Relax-Forcing.

    Args:
        candidates: frames of history that are compared, 2 or more.
        redundancy: weight of the similarity to the newest frame.
        reservoir_latents: oldest age of a candidate.
    """

    candidates: int = 4
    redundancy: float = 2.0
    reservoir_latents: int = 120
    needs_model: ClassVar[bool] = True

    def reset(self, rollout: RolloutSpec) -> None:
        if rollout.past_latents < 4 or self.candidates < 2:
            raise ConfigError("Relax Forcing needs 4 past frames and 2 candidates or more.")
        self._size, self._keys = rollout.block_latents, list["Tensor"]()

    def attach(self, view: BlockView) -> None:
        self._view = view

    def observe(self, latents: Tensor, first_frame: int) -> None:
        self._keys += normalize(self._view.mean_keys()[:, 0].double(), dim=-1)

    def plan(self, first_frame: int) -> ContextPlan:
        sink, newest = range(min(2, first_frame)), range(max(2, first_frame - 1), first_frame)
        between = range(max(2, first_frame - self.reservoir_latents), first_frame - 1)
        later, gaps = between[len(between) // 2 :], self.candidates - 1
        spaced = {later[i * (len(later) - 1) // gaps] for i in range(gaps + 1) if later}
        best = sorted(spaced, key=lambda f: (-self._score(f, first_frame - 1), f))[:1]
        return in_a_row(self._size, (Role.sink, sink), (Role.memory, best), (Role.local, newest))

    def _score(self, frame: int, newest: int) -> float:
        wanted = (self._keys[0] + self._keys[1]) / 2 - self.redundancy * self._keys[newest]
        return float(self._keys[frame] @ wanted)
