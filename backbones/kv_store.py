"""Keys and values of the past, by latent frame and un-rotated.

One slab per latent frame holds all layers, so a plan is gathered by copying a few whole slabs,
once per block. Keys are rotated on the way out: absolute and window-relative RoPE are then only
different positions, and a pass never rotates the past again.

Letters: L layer, P key or value, H head, T token of one frame, S token of a block, K token of
context and block together, D head channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from backbones.wan.rope import Rope, rotate
from backbones.wan.transformer import AttentionContext, WanConfig

if TYPE_CHECKING:
    from torch import Tensor

    from methods.base import ContextPlan


class KVStore:
    """Store and gather for one rollout.

    Args:
        config: the transformer's sizes.
        tokens_per_frame: tokens of one latent frame.
        block_latents: latent frames of a block.
        budget_latents: most frames in a context, the block included.
        rope: rotation factors of the backbone.
        dtype: type of keys and values.
        device: where they live.
    """

    def __init__(
        self,
        config: WanConfig,
        tokens_per_frame: int,
        block_latents: int,
        budget_latents: int,
        rope: Rope,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._slabs_LPHTD: list[Tensor] = []
        self._tokens_per_frame = tokens_per_frame
        self._block_latents = block_latents
        self._rope = rope
        layers, heads, dim = config.num_layers, config.num_heads, config.head_dim
        max_tokens = budget_latents * tokens_per_frame
        block_tokens = block_latents * tokens_per_frame
        # Allocated once: fresh pages for every block cost more than filling them.
        self._gathered_PLHKD = torch.empty(
            2, layers, heads, max_tokens, dim, dtype=dtype, device=device
        )
        self.new_kv_LPHSD = torch.empty(
            layers, 2, heads, block_tokens, dim, dtype=dtype, device=device
        )

    def append_block(self) -> None:
        """Keep what the clean pass wrote to `new_kv_LPHSD`, one slab per latent frame."""
        for kv_LPHTD in self.new_kv_LPHSD.split(self._tokens_per_frame, dim=3):
            self._slabs_LPHTD.append(kv_LPHTD.clone())

    def gather(self, plan: ContextPlan) -> AttentionContext:
        """The context of a plan: keys rotated to its positions, room for the block behind them.

        The buffers are reused: a context is valid until the next `gather`.
        """
        tokens = self._tokens_per_frame
        num_tokens = (len(plan.frames) + self._block_latents) * tokens
        keys_LHKD = self._gathered_PLHKD[0, :, :, :num_tokens]
        values_LHKD = self._gathered_PLHKD[1, :, :, :num_tokens]
        for place, (frame, position) in enumerate(zip(plan.frames, plan.positions, strict=True)):
            slab_LPHTD = self._slabs_LPHTD[frame]
            span = slice(place * tokens, (place + 1) * tokens)
            factors = self._rope.factors([position])
            keys_LHKD[:, :, span] = rotate(slab_LPHTD[:, 0], factors)
            values_LHKD[:, :, span] = slab_LPHTD[:, 1]
        return AttentionContext(
            keys_LHKD,
            values_LHKD,
            self._rope.factors(plan.query_positions),
            self._block_latents * tokens,
        )
