"""Sizes of a UMT5 text encoder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextEncoderConfig:
    """Sizes of a UMT5 encoder; the defaults are those of `models_t5_umt5-xxl-enc-bf16.pth`.

    Attributes:
        vocab_size: rows of the token embedding.
        dim: channels of an embedding.
        ffn_dim: hidden channels of the feed-forward network.
        num_heads: attention heads.
        head_dim: channels of one head.
        num_layers: encoder blocks.
        num_buckets: buckets of relative positions.
        text_len: tokens of a prompt embedding, the padding included.
    """

    vocab_size: int = 256384
    dim: int = 4096
    ffn_dim: int = 10240
    num_heads: int = 64
    head_dim: int = 64
    num_layers: int = 24
    num_buckets: int = 32
    text_len: int = 512


UMT5_XXL = TextEncoderConfig()
