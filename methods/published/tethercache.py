"""TetherCache (arXiv 2606.13035), at the granularity of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Role, RolloutSpec
from methods.competing import Competing
from methods.layout import in_a_row
from methods.virtual import adain


@dataclass
class TetherCache(Competing):
    """TetherCache: memory by attention and diversity (GRAB), in the style of trusted frames (TAME).

    S = 3 sink frames, R = 4 recent with the block, the rest is memory: 14 of K = 21, 5 of 12. A
    score is the share of attention plus 0.35 times how little a near frame makes it redundant. What
    enters moves by 0.35 towards mean and deviation of sink and memory (AdaIN). Unlike the authors',
    all layers score at once, by queries of the block before. Source: my4f175/TetherCache.

    Args:
        alpha, tau: weight of diversity, strength of AdaIN.
        sink_latents, recent_latents: S, R.
    """

    alpha: float = 0.35
    tau: float = 0.35
    sink_latents: int = 3
    recent_latents: int = 4

    def reset(self, rollout: RolloutSpec) -> None:
        if self.sink_latents < 1:
            raise ConfigError("sink_latents must be at least 1: memory takes the sink's style.")
        newest = self.recent_latents - rollout.block_latents
        self.divide(rollout, rollout.past_latents - self.sink_latents - newest, self.sink_latents)
        self.num_slots, self._slots, self._heads = self.places, dict[int, int](), rollout.heads

    def scores(self, candidates: Sequence[int], first_frame: int) -> Sequence[float]:
        query = torch.stack(self.queries[-self.size :]).mean(0)
        keys = torch.stack([self.keys[frame] for frame in candidates])
        scale = (self._heads * query.shape[1]) ** -0.5  # of the mean over heads
        mass = (scale * (keys * query).sum(2)).mean(1).cpu().softmax(0)
        frames = torch.tensor(candidates).float()
        gaps = (frames[:, None] - frames).abs()
        near = torch.exp(-gaps / max(1.0, 0.5 * float(gaps.max() + 1))).fill_diagonal_(0)
        return (mass + self.alpha * (1 - (near * mass).amax(1))).tolist()

    def lay_out(self, sink: range, admitted: Sequence[int], newest: range) -> ContextPlan:
        self._slots = {f: slot for f, slot in self._slots.items() if f in self.memory}
        free = sorted(set(range(-self.num_slots, 0)) - set(self._slots.values()))
        trusted, taken = (*sink, *self._slots.values()), dict(zip(admitted, free, strict=False))
        self._slots |= taken
        slots = [self._slots[frame] for frame in self.memory]
        plan = in_a_row(self.size, (Role.sink, sink), (Role.virtual, slots), (Role.local, newest))
        return plan.with_writes(adain(s, f, trusted, self.tau) for f, s in taken.items())
