"""Whole passes of the transformer as CUDA graphs: launched at once instead of kernel by kernel.

Everything that a pass reads or writes but its latents lies at a fixed place for the whole rollout
(see KVStore), so a graph captured once can be replayed in every block of the same context length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from harness.core.errors import LongtakeError

if TYPE_CHECKING:
    from torch import Tensor

    from backbones.wan.transformer import (
        AttentionContext,
        CausalWanTransformer,
        TextContext,
        TimeContext,
    )


@dataclass(frozen=True)
class _Captured:
    replay: Callable[[], None]
    latents: Tensor
    flow: Tensor


class GraphedPasses:
    """Stands for a transformer within one rollout.

    A pass runs as usual the first time that its noise level meets a context length, which is its
    warm-up and all there is for the growing contexts of the first blocks; the second time it is
    captured, then replayed.

    Args:
        transformer: the model.

    Raises:
        LongtakeError: there is no CUDA device under it.
    """

    def __init__(self, transformer: CausalWanTransformer) -> None:
        if transformer.patch_embedding.weight.device.type != "cuda":
            raise LongtakeError("kernels.cuda_graphs=true needs a CUDA device.")
        self._transformer = transformer
        self._pool = torch.cuda.graph_pool_handle()
        self._seen: set[tuple[int, int]] = set()
        self._captured: dict[tuple[int, int], _Captured] = {}

    def __call__(
        self,
        latents: Tensor,
        time: TimeContext,
        context: AttentionContext,
        text: TextContext,
        new_kv_LPHSD: Tensor | None = None,
    ) -> Tensor:
        """See CausalWanTransformer.forward."""
        key = (id(time), context.keys_LHKD.shape[2])
        if key not in self._captured:
            if key not in self._seen:
                self._seen.add(key)
                return self._transformer(latents, time, context, text, new_kv_LPHSD)
            static = latents.clone()
            graph = torch.cuda.CUDAGraph()
            # Other threads and streams go on meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                flow = self._transformer(static, time, context, text, new_kv_LPHSD)
            self._captured[key] = _Captured(graph.replay, static, flow)
        captured = self._captured[key]
        captured.latents.copy_(latents)
        captured.replay()
        return captured.flow.clone()
