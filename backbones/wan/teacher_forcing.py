"""Teacher forcing: all blocks of a clip in one pass, each with the context that its plan names.

A rollout makes the keys and values of a block in a clean pass and gathers them for later blocks. In
training the clean passes of all blocks run beside the noisy ones: per layer, every block gathers
un-rotated keys and values of clean frames and rotates them to the positions of its plan. The flow
that comes out is the one that a rollout over the same clip would predict.

Letters: B block, T latent frame of the clip, S token of a block, K token of context and block, H
head, D head channel, R rotated pair of channels, E model channel, N copy (0 clean, 1 noisy).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from backbones.wan.parts import sinusoid
from backbones.wan.rope import rotate
from backbones.wan.transformer import CausalWanTransformer, CrossAttention

if TYPE_CHECKING:
    from backbones.engine.protocol import Rotary
    from methods.base import ContextPlan


class Contexts(NamedTuple):
    """The plans of all blocks of a clip, as tensors.

    Attributes:
        frames_BC: past frames; 0 where a plan names fewer than others.
        keys_BK: which keys of the context, then of the block, exist.
        past_factors: rotation of the context's keys.
        own_factors: rotation of the block's own tokens.
        tokens_per_latent: tokens of a latent frame.
    """

    frames_BC: Int[Tensor, "block frame"]
    keys_BK: Bool[Tensor, "block key"]
    past_factors: Float[Tensor, "block key pair 2"]
    own_factors: Float[Tensor, "block token pair 2"]
    tokens_per_latent: int


def contexts_of(plans: Sequence[ContextPlan], rotary: Rotary, tokens_per_latent: int) -> Contexts:
    """Return the plans of successive blocks as tensors."""
    longest = max(len(plan.frames) for plan in plans)
    frames, exists, past, own = [], [], [], []
    for plan in plans:
        missing = longest - len(plan.frames)
        frames.append((*plan.frames, *(0,) * missing))
        exists.append([True] * len(plan.frames) + [False] * missing)
        past.append(rotary.factors((*plan.positions, *(0,) * missing)))
        own.append(rotary.factors(plan.query_positions))
    past_exists = torch.tensor(exists, dtype=torch.bool).repeat_interleave(tokens_per_latent, 1)
    own_factors = torch.stack(own)
    own_exists = torch.ones(own_factors.shape[:2], dtype=torch.bool)
    return Contexts(
        torch.tensor(frames, dtype=torch.long).reshape(len(plans), longest),
        torch.cat([past_exists, own_exists], dim=1),
        torch.stack(past) if longest else own_factors[:, :0],
        own_factors,
        tokens_per_latent,
    )


def predict_flow(
    model: CausalWanTransformer,
    clean: Float[Tensor, "latent chan height width"],
    noisy: Float[Tensor, "latent chan height width"],
    timesteps: Sequence[float],
    text: Float[Tensor, "block token text_dim"],
    contexts: Contexts,
) -> Float[Tensor, "latent chan height width"]:
    """Return the flow of every noisy block, given the clean latents of the blocks before it.

    Args:
        model: the transformer, not prepared for inference.
        clean: the latents that keys and values of the past are made of.
        noisy: the latents to denoise.
        timesteps: noise level of every block, 0 to 1000.
        text: text embedding of every block.
        contexts: context of every block.
    """
    num_blocks = len(timesteps)
    text_BTE = model.text_embedding(text)
    sinusoids = [sinusoid(timestep, model.config.freq_dim) for timestep in timesteps]
    clean_sinusoid = sinusoid(0, model.config.freq_dim)
    time_NE = model.time_embedding(torch.stack([clean_sinusoid] * num_blocks + sinusoids))
    time_N6E = model.time_projection(time_NE).unflatten(-1, (6, -1))

    x = torch.cat([model.patchify(clean), model.patchify(noisy)]).unflatten(0, (2 * num_blocks, -1))
    layers = list(model.layers())
    for layer in layers:
        modulation = (layer.modulation + time_N6E)[:, :, None]
        shift, scale, gate, shift_ffn, scale_ffn, gate_ffn = modulation.unbind(1)
        y = torch.addcmul(shift, layer.norm1(x), 1 + scale)
        attention = layer.self_attn
        q = _heads(attention.norm_q(attention.q(y)), attention.num_heads)
        k = _heads(attention.norm_k(attention.k(y)), attention.num_heads)
        v = _heads(attention.v(y), attention.num_heads)
        copies = 2
        if layer is layers[-1]:  # nothing reads what the clean copy would become
            x, q = x[num_blocks:], q[num_blocks:]
            gate, shift_ffn, scale_ffn, gate_ffn = (
                part[num_blocks:] for part in (gate, shift_ffn, scale_ffn, gate_ffn)
            )
            copies = 1
        y = _attend(q, k, v, contexts, copies)
        x = torch.addcmul(x, attention.o(y), gate)
        x = x + _cross_attend(layer.cross_attn, layer.norm3(x), text_BTE.repeat(copies, 1, 1))
        y = torch.addcmul(shift_ffn, layer.norm2(x), 1 + scale_ffn)
        x = torch.addcmul(x, layer.ffn(y), gate_ffn)

    shift, scale = (model.head.modulation + time_NE[num_blocks:, None])[:, :, None].unbind(1)
    patches = model.head.head(torch.addcmul(shift, model.head.norm(x), 1 + scale))
    return model.unpatchify(patches.flatten(0, 1), noisy.shape)


def _attend(q: Tensor, k: Tensor, v: Tensor, contexts: Contexts, copies: int) -> Tensor:
    """Return self-attention of the last `copies` copies of all blocks, heads joined."""
    num_blocks, past = len(contexts.frames_BC), contexts.past_factors[:, None]
    own = contexts.own_factors.repeat(copies, 1, 1, 1)[:, None]
    first = len(k) - copies * num_blocks
    past_k = rotate(_gather(k[:num_blocks], contexts), past)
    past_v = _gather(v[:num_blocks], contexts)
    keys = torch.cat([past_k.repeat(copies, 1, 1, 1), rotate(k[first:], own)], dim=2)
    values = torch.cat([past_v.repeat(copies, 1, 1, 1), v[first:]], dim=2)
    mask = contexts.keys_BK.repeat(copies, 1)[:, None, None]
    mixed = F.scaled_dot_product_attention(rotate(q, own), keys, values, attn_mask=mask)
    return mixed.transpose(1, 2).flatten(2)


def _gather(x_BHSD: Tensor, contexts: Contexts) -> Tensor:
    """Return what every block attends to, as (block, head, token, channel)."""
    frames_BHFLD = x_BHSD.unflatten(2, (-1, contexts.tokens_per_latent))
    frames_THLD = frames_BHFLD.transpose(1, 2).flatten(0, 1)
    return frames_THLD[contexts.frames_BC].transpose(1, 2).flatten(2, 3)


def _cross_attend(attention: CrossAttention, x: Tensor, text: Tensor) -> Tensor:
    q = _heads(attention.norm_q(attention.q(x)), attention.num_heads)
    k = _heads(attention.norm_k(attention.k(text)), attention.num_heads)
    v = _heads(attention.v(text), attention.num_heads)
    return attention.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def _heads(x: Tensor, num_heads: int) -> Tensor:
    """Split channels into heads: (copy and block, head, token, head channel)."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)
