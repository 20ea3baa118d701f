"""A small text encoder: random weights in Wan's layout, and its definition written out."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from backbones.wan.text import TextEncoderConfig

SMALL = TextEncoderConfig(
    vocab_size=160, dim=24, ffn_dim=40, num_heads=3, head_dim=8, num_layers=2, text_len=16
)
LINES = [
    "a red fox runs through fresh snow at dawn",
    "the camera follows a small boat along the river",
    "a city street at night, rain and neon lights",
    "an old man reads a newspaper in a quiet garden",
    "waves break on black rocks below a lighthouse",
]


def wan_tensors(config: TextEncoderConfig) -> dict[str, Tensor]:
    """Random weights under the names of Wan's file, in bfloat16 as there."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int, scale: float) -> Tensor:
        return (torch.randn(shape, generator=generator) * scale).bfloat16()

    dim, ffn, inner = config.dim, config.ffn_dim, config.num_heads * config.head_dim
    tensors = {"token_embedding.weight": draw(config.vocab_size, dim, scale=1)}
    for index in range(config.num_layers):
        block = f"blocks.{index}"
        tensors |= {
            f"{block}.norm1.weight": 1 + draw(dim, scale=0.2),
            f"{block}.attn.q.weight": draw(inner, dim, scale=dim**-0.5 / 2),
            f"{block}.attn.k.weight": draw(inner, dim, scale=dim**-0.5),
            f"{block}.attn.v.weight": draw(inner, dim, scale=dim**-0.5),
            f"{block}.attn.o.weight": draw(dim, inner, scale=inner**-0.5),
            f"{block}.norm2.weight": 1 + draw(dim, scale=0.2),
            f"{block}.ffn.gate.0.weight": draw(ffn, dim, scale=dim**-0.5),
            f"{block}.ffn.fc1.weight": draw(ffn, dim, scale=dim**-0.5),
            f"{block}.ffn.fc2.weight": draw(dim, ffn, scale=ffn**-0.5),
            f"{block}.pos_embedding.embedding.weight": draw(
                config.num_buckets, config.num_heads, scale=0.5
            ),
        }
    return tensors | {"norm.weight": 1 + draw(dim, scale=0.2)}


def wan_encoder(tensors: dict[str, Tensor], ids: list[int], text_len: int) -> Tensor:
    """Wan's encoder written out in float64: padded to `text_len`, padding masked."""
    weights = {name: tensor.double() for name, tensor in tensors.items()}
    ids_T = torch.tensor(ids + [0] * (text_len - len(ids)))
    hidden_K = torch.arange(text_len) >= len(ids)
    distance_QK = torch.arange(text_len)[None] - torch.arange(text_len)[:, None]
    bucket_QK = _bucket(distance_QK)
    x_TE = weights["token_embedding.weight"][ids_T]
    for index in range(len([name for name in weights if name.endswith("norm1.weight")])):
        block = f"blocks.{index}"
        y_TE = _rms(x_TE, weights[f"{block}.norm1.weight"])
        bias_QKH = weights[f"{block}.pos_embedding.embedding.weight"][bucket_QK]
        heads = bias_QKH.shape[-1]
        q, k, v = (
            (y_TE @ weights[f"{block}.attn.{name}.weight"].T).unflatten(1, (heads, -1))
            for name in "qkv"
        )
        scores_HQK = torch.einsum("qhd,khd->hqk", q, k) + bias_QKH.permute(2, 0, 1)
        share_HQK = scores_HQK.masked_fill(hidden_K, -math.inf).softmax(-1)
        y_TE = torch.einsum("hqk,khd->qhd", share_HQK, v).flatten(1)
        x_TE = x_TE + y_TE @ weights[f"{block}.attn.o.weight"].T
        y_TE = _rms(x_TE, weights[f"{block}.norm2.weight"])
        gate = F.gelu(y_TE @ weights[f"{block}.ffn.gate.0.weight"].T, approximate="tanh")
        y_TE = gate * (y_TE @ weights[f"{block}.ffn.fc1.weight"].T)
        x_TE = x_TE + y_TE @ weights[f"{block}.ffn.fc2.weight"].T
    x_TE = _rms(x_TE, weights["norm.weight"])
    return x_TE.masked_fill(hidden_K[:, None], 0)


def _rms(x: Tensor, weight: Tensor) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weight


def _bucket(distance: Tensor, num_buckets: int = 32, max_distance: int = 128) -> Tensor:
    half = num_buckets // 2
    exact = half // 2
    far = exact + (
        (distance.abs().clamp_min(1) / exact).log() / math.log(max_distance / exact) * exact
    ).floor().long().clamp_max(exact - 1)
    near = distance.abs()
    return (distance > 0) * half + torch.where(near < exact, near, far)
