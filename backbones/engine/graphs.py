"""Whole passes of the transformer as CUDA graphs: launched at once instead of kernel by kernel.

Everything that a pass reads or writes, except its latents, keeps its address for a whole segment
(see KVStore). A captured graph can therefore be replayed in every block of the same context length
until the prompt changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from harness.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from backbones.engine.protocol import (
        AttentionContext,
        BlockTransformer,
        TextContext,
        TimeContext,
    )


@dataclass(frozen=True)
class _Captured:
    replay: Callable[[], None]
    latents: Tensor
    flow: Tensor


class GraphedPasses:
    """Stands in for a transformer within one rollout.

    A pass runs uncaptured the first time that its noise level meets a context length. That is its
    warm-up, and the growing contexts of the first blocks occur only once. The second time it is
    captured, from then on replayed.

    Args:
        transformer: the model.
        device: where it computes.

    Raises:
        ConfigError: the device is not a CUDA device.
    """

    _text: TextContext = None  # the prompt of what is captured

    def __init__(self, transformer: BlockTransformer, device: torch.device) -> None:
        if device.type != "cuda":
            raise ConfigError("kernels.cuda_graphs=true needs a CUDA device.")
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
        """Return the flow of a block, as the transformer would."""
        if not context.is_plain:
            return self._transformer(latents, time, context, text, new_kv_LPHSD)
        if text is not self._text:
            self._text = text
            if self._captured:
                # They read the prompt they were captured with. The memory pool of graphs that are
                # all gone cannot be used again.
                self._captured.clear()
                self._pool = torch.cuda.graph_pool_handle()
        key = (id(time), context.keys_LHKD.shape[2])
        if key not in self._captured:
            if key not in self._seen:
                self._seen.add(key)
                return self._transformer(latents, time, context, text, new_kv_LPHSD)
            static = latents.clone()
            graph = torch.cuda.CUDAGraph()
            # Other threads and streams keep working: only this thread's calls may be captured.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                flow = self._transformer(static, time, context, text, new_kv_LPHSD)
            self._captured[key] = _Captured(graph.replay, static, flow)
        captured = self._captured[key]
        captured.latents.copy_(latents)
        captured.replay()
        return captured.flow.clone()
