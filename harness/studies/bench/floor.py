"""The least time that the arithmetic of a steady block could take at the measured rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backbones.engine.spec import BackboneSpec
    from backbones.wan.transformer import WanConfig
    from harness.studies.bench.rates import Rates


def block_flops(config: WanConfig, spec: BackboneSpec) -> int:
    """Multiplications and additions of all passes of a block with a full context.

    Counted are the products of all layers and attention, two operations each; norms, rotations, the
    embeddings and the head are left out.
    """
    tokens = spec.block_latents * spec.geometry.tokens_per_frame
    context = spec.budget_latents * spec.geometry.tokens_per_frame
    projections = 6 * config.dim**2  # q, k, v, o of self-attention; q and o of cross-attention
    feed_forward = 2 * config.dim * config.ffn_dim
    attention = 2 * config.dim * (context + config.text_len)
    passes = len(spec.sampling.sigmas) + 1
    return passes * config.num_layers * 2 * tokens * (projections + feed_forward + attention)


def gather_bytes(config: WanConfig, spec: BackboneSpec) -> int:
    """Bytes of keys and values that a full context holds, the block left out."""
    frames = spec.budget_latents - spec.block_latents
    per_token = 2 * config.num_layers * config.dim * spec.precision.dtype.itemsize
    return frames * spec.geometry.tokens_per_frame * per_token


def floor_s(config: WanConfig, spec: BackboneSpec, rates: Rates) -> float:
    """Arithmetic at the rate of a large product, and one copy of the context."""
    arithmetic_s = block_flops(config, spec) / rates.matmul_flops_per_s
    return arithmetic_s + gather_bytes(config, spec) / rates.copy_bytes_per_s
