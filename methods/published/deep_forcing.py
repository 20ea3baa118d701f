"""Deep Forcing (Yi et al., arXiv 2512.05081), at the granularity of frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from methods.base import ContextPlan, RolloutSpec
from methods.competing import Competing


@dataclass
class DeepForcing(Competing):
    """Deep Forcing: a deep sink, and the evicted frames that recent queries attend to most.

    S = 10 sink frames, C = 2 chosen (participative compression) and R = 4 recent, the block
    included, are N = 16. At another budget the sink takes the difference: S = 6 of 12. A frame is
    chosen for at most 7 blocks. The authors choose single tokens, apart in each layer, by rotated
    queries of the first denoising pass of the block; here whole frames are chosen for all layers,
    by products of keys with the sum of unrotated queries of the clean passes of R frames.
    Source: cvlab-kaist/DeepForcing and its port in ZhaoWQQ/DensityKV.

    Args:
        chosen_latents: C.
        recent_latents: R.
        max_reuse: most blocks that a frame is chosen for.
    """

    chosen_latents: int = 2
    recent_latents: int = 4
    max_reuse: int = 7

    def reset(self, rollout: RolloutSpec) -> None:
        newest = self.recent_latents - rollout.block_latents
        sink_latents = rollout.past_latents - self.chosen_latents - newest
        self.divide(rollout, self.chosen_latents, sink_latents)
        self._uses: Counter[int] = Counter()

    def scores(self, candidates: Sequence[int], first_frame: int) -> Sequence[float]:
        query = torch.stack(self.queries[-self.recent_latents :]).sum(0)
        products = torch.stack([self.keys[frame] for frame in candidates]) * query
        tired = torch.tensor([self._uses[frame] >= self.max_reuse for frame in candidates])
        return products.sum((1, 2)).cpu().masked_fill(tired, -torch.inf).tolist()

    def lay_out(self, sink: range, admitted: Sequence[int], newest: range) -> ContextPlan:
        self._uses.update(self.memory)
        return super().lay_out(sink, admitted, newest)
