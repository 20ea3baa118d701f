"""Sizes of a Wan transformer."""

from __future__ import annotations

from dataclasses import dataclass

from backbones.engine.protocol import ModelShape
from backbones.wan.rope import Rope


@dataclass(frozen=True)
class WanConfig:
    """Sizes of a Wan transformer; Wan2.1-T2V-1.3B has dim 1536, 30 layers, 12 heads.

    Attributes:
        dim: model channels.
        ffn_dim: hidden channels of the feed-forward network.
        num_heads: attention heads.
        num_layers: transformer blocks.
        in_dim: latent channels in.
        out_dim: latent channels out.
        freq_dim: channels of the sinusoidal time embedding.
        text_dim: channels of a text embedding.
        text_len: tokens of a text embedding.
        patch_size: (frames, rows, columns) of latents that make one token; frames must be 1.
        eps: epsilon of all norms.
    """

    dim: int
    ffn_dim: int
    num_heads: int
    num_layers: int
    in_dim: int
    out_dim: int
    freq_dim: int
    text_dim: int
    text_len: int
    patch_size: tuple[int, int, int] = (1, 2, 2)
    eps: float = 1e-6

    @property
    def head_dim(self) -> int:
        """Return the channels of one attention head."""
        return self.dim // self.num_heads

    def pass_elements(self, num_tokens: int) -> int:
        """Return about how many numbers a pass over a block keeps at once."""
        return num_tokens * (4 * self.ffn_dim + 16 * self.dim)

    def shape(self, latent_shape: tuple[int, int, int], num_positions: int) -> ModelShape:
        """Return what the engine must know of a transformer of these sizes.

        Args:
            latent_shape: (channels, height, width) of one latent frame.
            num_positions: size of the temporal RoPE table.
        """
        _, height, width = latent_shape
        _, patch_rows, patch_columns = self.patch_size
        rows, columns = height // patch_rows, width // patch_columns
        projections = 6 * self.dim**2  # q, k, v, o of self-attention; q and o of cross-attention
        feed_forward = 2 * self.dim * self.ffn_dim
        cross_attention = 2 * self.dim * self.text_len
        # Norms, rotations, the embeddings and the head are left out.
        products = projections + feed_forward + cross_attention
        return ModelShape(
            layers=self.num_layers,
            heads=self.num_heads,
            head_dim=self.head_dim,
            tokens_per_latent=rows * columns,
            rotary=Rope(self.head_dim, rows, columns, num_positions),
            flops_per_token=2 * self.num_layers * products,
        )
