"""The share of attention on each context frame, computed from queries and keys of a pass.

Fused attention never holds its weights. They are computed a second time, head by head: half as many
operations again as the attention of one pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from harness.core.errors import PlanError
from harness.core.machine import one_thread

if TYPE_CHECKING:
    from backbones.engine.protocol import AttentionContext, ModelShape


def recorded_queries(context: AttentionContext) -> Tensor:
    """Return the un-rotated queries of the pass that just ended.

    Raises:
        PlanError: the model did not record them.
    """
    queries_LHSD = context.queries_LHSD
    assert queries_LHSD is not None, "the pass was not asked to record its queries"
    if queries_LHSD.isnan().any():
        raise PlanError(
            "The strategy asks for evidence, and this model records no queries: its attention must "
            "go through AttentionContext.attend (backbones/engine/protocol.py)."
        )
    return queries_LHSD


def attention_mass(
    context: AttentionContext, shape: ModelShape
) -> Float[Tensor, "layer head context"]:
    """Return the share of attention of each layer and head on each context frame.

    Args:
        context: as the pass left it, its own keys behind those of the past.
        shape: sizes of the model.
    """
    queries_LHSD = recorded_queries(context)
    rows = []
    with one_thread():
        for layer in range(shape.layers):
            q_HSD, k_HKD = queries_LHSD[layer], context.keys_LHKD[layer]
            if not context.groups:
                rows.append(_mass(shape, q_HSD, k_HKD, context.factors))
                continue
            size = context.num_block_tokens // shape.tokens_per_latent
            frames = k_HKD.shape[1] // shape.tokens_per_latent
            mass_HF = q_HSD.new_zeros(shape.heads, frames, dtype=torch.float32)
            for group in context.groups:
                heads, end = group.heads[layer], group.num_tokens
                part_HF = _mass(shape, q_HSD[heads], k_HKD[heads, :end], group.factors)
                mass_HF[heads, : part_HF.shape[1] - size] = part_HF[:, :-size]
                mass_HF[heads, -size:] = part_HF[:, -size:]
            rows.append(mass_HF)
    return torch.stack(rows)


def _mass(shape: ModelShape, q_HSD: Tensor, k_HKD: Tensor, factors: Tensor) -> Tensor:
    """Return the mass of heads on frames, (head, frame)."""
    tokens = shape.tokens_per_latent
    pairs = list(zip(shape.rotary.rotate(q_HSD, factors), k_HKD, strict=True))
    if not pairs:
        return q_HSD.new_zeros(0, k_HKD.shape[1] // tokens, dtype=torch.float32)
    return torch.stack([_shares(q_SD, k_KD, tokens) for q_SD, k_KD in pairs])


def _shares(q_SD: Tensor, k_KD: Tensor, tokens_per_latent: int) -> Tensor:
    weights_SK = (q_SD.float() @ k_KD.float().T * q_SD.shape[1] ** -0.5).softmax(1)
    return weights_SK.mean(0).unflatten(0, (-1, tokens_per_latent)).sum(1)
