"""The causal Wan transformer: one block of noisy latent frames in, its flow prediction out.

Parameter names are those of the original Wan2.1 checkpoints. The model knows nothing of memory
strategies: the keys and values of the past arrive gathered and rotated in an `AttentionContext`,
and every layer puts those of the block itself behind them. All frames of a block share one
timestep, and a rollout handles one video, so there is no batch axis.

Letters: F latent frame of the block, S token of the block, K token of context and block together,
H head, D head channel, E model channel, C latent channel, L layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbones.wan.rope import rotate

if TYPE_CHECKING:
    from jaxtyping import Complex, Float


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
        """Channels of one attention head."""
        return self.dim // self.num_heads


@dataclass
class AttentionContext:
    """Keys and values that one block attends to, rotated, with room for the block's own at the end.

    Attributes:
        keys_LHKD: keys of the past, then `num_block_tokens` places written by every pass.
        values_LHKD: values, in the same order.
        block_factors_SD: rotation factors of the block's tokens.
        num_block_tokens: tokens of the block.
    """

    keys_LHKD: Tensor
    values_LHKD: Tensor
    block_factors_SD: Complex[Tensor, "token head_dim/2"]
    num_block_tokens: int


@dataclass(frozen=True)
class TextContext:
    """Cross-attention keys and values of one prompt, per layer; computed once per video."""

    keys_HTD: list[Tensor]
    values_HTD: list[Tensor]


class RMSNorm(nn.Module):
    """Root-mean-square norm over all heads together, in float32."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, eps=self.eps).type_as(x) * self.weight


class Attention(nn.Module):
    """The projections that self- and cross-attention share."""

    def __init__(self, config: WanConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.q = nn.Linear(config.dim, config.dim)
        self.k = nn.Linear(config.dim, config.dim)
        self.v = nn.Linear(config.dim, config.dim)
        self.o = nn.Linear(config.dim, config.dim)
        self.norm_q = RMSNorm(config.dim, config.eps)
        self.norm_k = RMSNorm(config.dim, config.eps)

    def heads(self, x_SE: Tensor) -> Tensor:
        """Split channels into heads: (token, channel) to (head, token, head channel)."""
        return x_SE.unflatten(-1, (self.num_heads, -1)).transpose(0, 1)

    def attend(self, q_HSD: Tensor, k_HKD: Tensor, v_HKD: Tensor) -> Tensor:
        """Scaled dot-product attention and the output projection, to (token, channel)."""
        y_HSD = F.scaled_dot_product_attention(q_HSD[None], k_HKD[None], v_HKD[None])[0]
        return self.o(y_HSD.transpose(0, 1).flatten(1))


class SelfAttention(Attention):
    """Attention of the block's tokens to the gathered past and to each other."""

    def fuse(self) -> None:
        """Join the three input projections into one product; the parameters become views of it."""
        layers = (self.q, self.k, self.v)
        self._weight = torch.cat([layer.weight for layer in layers])
        self._bias = torch.cat([layer.bias for layer in layers])
        parts = zip(layers, self._weight.chunk(3), self._bias.chunk(3), strict=True)
        for layer, weight, bias in parts:
            layer.weight = nn.Parameter(weight, requires_grad=False)
            layer.bias = nn.Parameter(bias, requires_grad=False)

    def forward(
        self, x_SE: Tensor, context: AttentionContext, layer: int, new_kv_LPHSD: Tensor | None
    ) -> Tensor:
        q_SE, k_SE, v_SE = F.linear(x_SE, self._weight, self._bias).chunk(3, dim=-1)
        q_HSD = rotate(self.heads(self.norm_q(q_SE)), context.block_factors_SD)
        k_HSD = self.heads(self.norm_k(k_SE))
        v_HSD = self.heads(v_SE)
        if new_kv_LPHSD is not None:
            new_kv_LPHSD[layer, 0] = k_HSD
            new_kv_LPHSD[layer, 1] = v_HSD
        keys_HKD, values_HKD = context.keys_LHKD[layer], context.values_LHKD[layer]
        keys_HKD[:, -context.num_block_tokens :] = rotate(k_HSD, context.block_factors_SD)
        values_HKD[:, -context.num_block_tokens :] = v_HSD
        return self.attend(q_HSD, keys_HKD, values_HKD)


class CrossAttention(Attention):
    """Attention to the prompt."""

    def text_kv(self, text_TE: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the prompt, as (head, token, head channel)."""
        return self.heads(self.norm_k(self.k(text_TE))), self.heads(self.v(text_TE))

    def forward(self, x_SE: Tensor, keys_HTD: Tensor, values_HTD: Tensor) -> Tensor:
        return self.attend(self.heads(self.norm_q(self.q(x_SE))), keys_HTD, values_HTD)


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention and feed-forward network, modulated by the timestep."""

    def __init__(self, config: WanConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim, config.eps, elementwise_affine=False)
        self.self_attn = SelfAttention(config)
        self.norm3 = nn.LayerNorm(config.dim, config.eps)
        self.cross_attn = CrossAttention(config)
        self.norm2 = nn.LayerNorm(config.dim, config.eps, elementwise_affine=False)
        self.ffn = nn.Sequential(
            nn.Linear(config.dim, config.ffn_dim),
            nn.GELU("tanh"),
            nn.Linear(config.ffn_dim, config.dim),
        )
        self.modulation = nn.Parameter(torch.zeros(1, 6, config.dim))

    def forward(
        self,
        x_SE: Tensor,
        time_6E: Tensor,
        context: AttentionContext,
        text: TextContext,
        layer: int,
        new_kv_LPHSD: Tensor | None,
    ) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.modulation[0] + time_6E).unbind(0)
        y_SE = torch.addcmul(shift1, self.norm1(x_SE), 1 + scale1)
        x_SE = torch.addcmul(x_SE, self.self_attn(y_SE, context, layer, new_kv_LPHSD), gate1)
        keys_HTD, values_HTD = text.keys_HTD[layer], text.values_HTD[layer]
        x_SE = x_SE + self.cross_attn(self.norm3(x_SE), keys_HTD, values_HTD)
        y_SE = torch.addcmul(shift2, self.norm2(x_SE), 1 + scale2)
        return torch.addcmul(x_SE, self.ffn(y_SE), gate2)


class Head(nn.Module):
    """Final modulated norm and projection to patches."""

    def __init__(self, config: WanConfig) -> None:
        super().__init__()
        _, rows, columns = config.patch_size
        self.norm = nn.LayerNorm(config.dim, config.eps, elementwise_affine=False)
        self.head = nn.Linear(config.dim, rows * columns * config.out_dim)
        self.modulation = nn.Parameter(torch.zeros(1, 2, config.dim))

    def forward(self, x_SE: Tensor, time_E: Tensor) -> Tensor:
        shift, scale = (self.modulation[0] + time_E).unbind(0)
        return self.head(torch.addcmul(shift, self.norm(x_SE), 1 + scale))


class CausalWanTransformer(nn.Module):
    """Predicts the flow (noise minus clean latents) of one block of latent frames."""

    def __init__(self, config: WanConfig) -> None:
        super().__init__()
        assert config.patch_size[0] == 1, "a token never spans latent frames"
        self.config = config
        self.patch_embedding = nn.Conv3d(
            config.in_dim, config.dim, config.patch_size, config.patch_size
        )
        self.text_embedding = nn.Sequential(
            nn.Linear(config.text_dim, config.dim),
            nn.GELU("tanh"),
            nn.Linear(config.dim, config.dim),
        )
        self.time_embedding = nn.Sequential(
            nn.Linear(config.freq_dim, config.dim), nn.SiLU(), nn.Linear(config.dim, config.dim)
        )
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(config.dim, 6 * config.dim))
        self.blocks = nn.ModuleList([TransformerBlock(config) for _ in range(config.num_layers)])
        self.head = Head(config)

    def prepare(self) -> Self:
        """Make ready for inference, once weights are loaded and on their device."""
        self.eval().requires_grad_(False)
        for block in self.blocks:
            assert isinstance(block, TransformerBlock)
            block.self_attn.fuse()
        return self

    def text_context(self, text: Float[Tensor, "token text_dim"]) -> TextContext:
        """Cross-attention keys and values of a prompt embedding, for all layers."""
        assert len(text) == self.config.text_len
        text_TE = self.text_embedding(text)
        cross = [block.cross_attn for block in self.blocks if isinstance(block, TransformerBlock)]
        pairs = [attention.text_kv(text_TE) for attention in cross]
        return TextContext([keys for keys, _ in pairs], [values for _, values in pairs])

    def forward(
        self,
        latents: Float[Tensor, "frame chan height width"],
        timestep: float,
        context: AttentionContext,
        text: TextContext,
        new_kv_LPHSD: Float[Tensor, "layer 2 head token head_dim"] | None = None,
    ) -> Float[Tensor, "frame chan height width"]:
        """Flow prediction of a block.

        Args:
            latents: the noisy block.
            timestep: noise level of the whole block, 0 (clean) to 1000.
            context: gathered past; the places of the block's own tokens are overwritten.
            text: see `text_context`.
            new_kv_LPHSD: where to write the block's un-rotated keys and values, if wanted.
        """
        time_E = self.time_embedding(_sinusoid(timestep, self.config.freq_dim).to(latents))
        time_6E = self.time_projection(time_E).unflatten(-1, (6, -1))
        x_SE = self._patchify(latents)
        for layer, block in enumerate(self.blocks):
            x_SE = block(x_SE, time_6E, context, text, layer, new_kv_LPHSD)
        return self._unpatchify(self.head(x_SE, time_E), latents.shape)

    def _patchify(self, latents_FCHW: Tensor) -> Tensor:
        """Tokens of a block; the patch convolution runs as the linear map that it is."""
        _, rows, columns = self.config.patch_size
        num_frames, _, height, width = latents_FCHW.shape
        grid = latents_FCHW.unflatten(3, (width // columns, columns))
        grid = grid.unflatten(2, (height // rows, rows))  # F C h rows w columns
        patches = grid.permute(0, 2, 4, 1, 3, 5).reshape(
            num_frames * (height // rows) * (width // columns), -1
        )
        return F.linear(patches, self.patch_embedding.weight.flatten(1), self.patch_embedding.bias)

    def _unpatchify(self, patches_SP: Tensor, shape: torch.Size) -> Tensor:
        _, rows, columns = self.config.patch_size
        num_frames, _, height, width = shape
        grid = patches_SP.reshape(
            num_frames, height // rows, width // columns, rows, columns, self.config.out_dim
        )
        return grid.permute(0, 5, 1, 3, 2, 4).reshape(num_frames, -1, height, width)


def _sinusoid(timestep: float, dim: int) -> Float[Tensor, " dim"]:
    """Sinusoidal embedding of a timestep: cosines, then sines; angles in float64."""
    half = dim // 2
    frequencies = 10000.0 ** -(torch.arange(half, dtype=torch.float64) / half)
    angles = timestep * frequencies
    return torch.cat([angles.cos(), angles.sin()]).float()
