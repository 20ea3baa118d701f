"""The causal Wan transformer: one block of noisy latent frames in, its flow prediction out.

Parameter names are those of the original Wan2.1 checkpoints. The model knows nothing of memory
strategies: the keys and values of the past arrive gathered and rotated in an `AttentionContext`,
and every layer writes those of the block itself behind them. All frames of a block share one
timestep, and layers see the block of one video, so there is no batch axis.

A layer is two functions with attention between them. Only attention depends on the length of the
context, so compiled code has one shape for the whole rollout and serves all layers.

Letters: F latent frame of the block, S token of the block, K token of context and block together,
T token of the prompt, H head, D head channel, R rotated pair of channels, E model channel,
C latent channel, L layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from backbones.engine.attention import attend, attend_together, current_kernel, in_token_order
from backbones.engine.fp8 import Fp8Linear, replace_linear, require_fp8
from backbones.engine.protocol import AttentionContext, BlockPass
from backbones.engine.runtime import AttentionKernel
from backbones.engine.transfer import upload
from backbones.wan.config import WanConfig
from backbones.wan.parts import RMSNorm, sinusoid
from backbones.wan.rope import rotate


class TextContext(NamedTuple):
    """Cross-attention keys and values of one prompt, per layer; computed once per video."""

    keys_HTD: list[Tensor]
    values_HTD: list[Tensor]


class TimeContext(NamedTuple):
    """The embedding of a noise level for the head, and its six modulations for every layer."""

    time_E: Tensor
    time_6E: Tensor


class Attention(nn.Module):
    """Projections that self- and cross-attention share."""

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


class SelfAttention(Attention):
    """Attention of the block's tokens to the gathered past and to each other."""

    def __init__(self, config: WanConfig) -> None:
        super().__init__(config)
        self.qkv: Fp8Linear | None = None  # set by `to_fp8`

    def fuse(self) -> None:
        """Join the three input projections into one product; the parameters become views of it."""
        layers = (self.q, self.k, self.v)
        self._weight = torch.cat([layer.weight for layer in layers])
        self._bias = torch.cat([layer.bias for layer in layers])
        parts = zip(layers, self._weight.chunk(3), self._bias.chunk(3), strict=True)
        for layer, weight, bias in parts:
            layer.weight = nn.Parameter(weight, requires_grad=False)
            layer.bias = nn.Parameter(bias, requires_grad=False)

    def to_fp8(self) -> None:
        """Compute the joint product and that of the output in 8 bits."""
        self.qkv = Fp8Linear(self._weight, self._bias)
        replace_linear(self, "o")
        del self._weight, self._bias, self.q, self.k, self.v

    def project(self, x_SE: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return un-rotated queries, keys and values of the block: (head, token, head channel)."""
        qkv_SE = self.qkv(x_SE) if self.qkv else F.linear(x_SE, self._weight, self._bias)
        q_SE, k_SE, v_SE = qkv_SE.chunk(3, dim=-1)
        return self.heads(self.norm_q(q_SE)), self.heads(self.norm_k(k_SE)), self.heads(v_SE)


class CrossAttention(Attention):
    """Attention to the prompt."""

    def text_kv(self, text_TE: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of the prompt, as (head, token, head channel)."""
        return self.heads(self.norm_k(self.k(text_TE))), self.heads(self.v(text_TE))

    def forward(self, x_SE: Tensor, keys_HTD: Tensor, values_HTD: Tensor) -> Tensor:
        """Return the attention of the block's tokens to the prompt."""
        return self.o(attend(self.heads(self.norm_q(self.q(x_SE))), keys_HTD, values_HTD))


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

    def to_fp8(self) -> None:
        """Compute all products of the block's tokens with weights in 8 bits."""
        self.self_attn.to_fp8()
        replace_linear(self.cross_attn, "q", "o")
        replace_linear(self.ffn, "0", "2")

    def before_attention(
        self,
        x_SE: Tensor,
        time_6E: Tensor,
        factors_SR2: Tensor,
        own_keys_HSD: Tensor,
        own_values_HSD: Tensor,
        new_kv_PHSD: Tensor | None,
    ) -> Tensor:
        """Return rotated queries in token order; write keys and values behind those of the past.

        Args:
            x_SE: the block's tokens.
            time_6E: modulation by the noise level.
            factors_SR2: rotation of the block's tokens.
            own_keys_HSD: receives the rotated keys.
            own_values_HSD: receives the values.
            new_kv_PHSD: receives un-rotated keys and values, if given.
        """
        q_HSD, k_HSD, v_HSD = self.project(x_SE, time_6E)
        if new_kv_PHSD is not None:
            new_kv_PHSD[0] = k_HSD
            new_kv_PHSD[1] = v_HSD
        own_keys_HSD.copy_(rotate(k_HSD, factors_SR2))
        own_values_HSD.copy_(v_HSD)
        return in_token_order(rotate(q_HSD, factors_SR2))

    def project(self, x_SE: Tensor, time_6E: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return un-rotated queries, keys and values of the block."""
        shift, scale, *_ = (self.modulation[0] + time_6E).unbind(0)
        return self.self_attn.project(torch.addcmul(shift, self.norm1(x_SE), 1 + scale))

    def after_attention(
        self,
        x_SE: Tensor,
        y_SE: Tensor,
        time_6E: Tensor,
        keys_HTD: Tensor,
        values_HTD: Tensor,
        kernel: AttentionKernel = AttentionKernel.auto,
    ) -> Tensor:
        """Return the tokens that leave the layer: cross-attention and feed-forward network.

        Args:
            x_SE: the block's tokens, as they entered the layer.
            y_SE: result of self-attention.
            time_6E: modulation by the noise level.
            keys_HTD: keys of the prompt.
            values_HTD: values of the prompt.
            kernel: the one in use. Compiled code keeps that of its first call, so it is compiled
                for each.
        """
        assert kernel in AttentionKernel  # read here, so that compiled code depends on it
        _, _, gate1, shift2, scale2, gate2 = (self.modulation[0] + time_6E).unbind(0)
        x_SE = torch.addcmul(x_SE, self.self_attn.o(y_SE), gate1)
        x_SE = x_SE + self.cross_attn(self.norm3(x_SE), keys_HTD, values_HTD)
        y_SE = torch.addcmul(shift2, self.norm2(x_SE), 1 + scale2)
        return torch.addcmul(x_SE, self.feed_forward(y_SE), gate2)

    def feed_forward(self, x_SE: Tensor) -> Tensor:
        """Return the result of the feed-forward network; on a GPU, GELU is part of the product."""
        joint = x_SE.is_cuda and not torch.is_grad_enabled()  # the joint product has no gradient
        if joint and isinstance(self.ffn[0], nn.Linear):
            return self.joint_feed_forward(x_SE)
        return self.ffn(x_SE)

    def joint_feed_forward(self, x_SE: Tensor) -> Tensor:
        """Return the result of the feed-forward network as a GPU computes it."""
        widen, narrow = self.ffn[0], self.ffn[2]
        assert isinstance(widen, nn.Linear) and isinstance(narrow, nn.Linear)
        # The tanh form on CUDA, as in `self.ffn`; that of the CPU would be the exact one.
        hidden = torch._addmm_activation(widen.bias, x_SE, widen.weight.t(), use_gelu=True)
        return narrow(hidden)


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
        self.compile_layers(False)

    def prepare(self, fp8: bool = False) -> Self:
        """Prepare for inference; call it once weights are loaded and on their device.

        Args:
            fp8: compute the products of all layers in 8 bits; the weights are bfloat16.

        Raises:
            DeviceError: fp8 on a GPU that can't.
        """
        self.eval().requires_grad_(False)
        if fp8:
            require_fp8(self.patch_embedding.weight.device)
        for layer in self.layers():
            layer.self_attn.fuse()
            if fp8:
                layer.to_fp8()
        return self

    def compile_layers(self, compiled: bool) -> Self:
        """Run the two halves of a layer compiled, for fixed shapes, or as they are.

        The compiled functions serve all layers and models, because weights are arguments of them.
        """
        halves = (TransformerBlock.before_attention, TransformerBlock.after_attention)
        if compiled:
            halves = (_compiled(halves[0]), _compiled(halves[1]))
        self._before_attention, self._after_attention = halves
        return self

    def text_context(self, text: Float[Tensor, "token text_dim"]) -> TextContext:
        """Return cross-attention keys and values of a prompt embedding, for all layers."""
        assert len(text) == self.config.text_len
        text_TE = self.text_embedding(text)
        pairs = [layer.cross_attn.text_kv(text_TE) for layer in self.layers()]
        return TextContext([keys for keys, _ in pairs], [values for _, values in pairs])

    def text_keys(self, text: TextContext) -> Float[Tensor, "layer chan"]:
        """Return the cross-attention keys of a prompt, averaged over its tokens, in float32."""
        return torch.stack([keys.float().mean(1).flatten() for keys in text.keys_HTD])

    def time_context(self, timestep: float) -> TimeContext:
        """Return the embedding of a noise level, 0 (clean) to 1000."""
        weight = self.patch_embedding.weight
        wave = sinusoid(timestep, self.config.freq_dim).to(weight.dtype)
        time_E = self.time_embedding(upload(wave, weight.device))
        return TimeContext(time_E, self.time_projection(time_E).unflatten(-1, (6, -1)))

    def forward(
        self,
        latents: Float[Tensor, "frame chan height width"],
        time: TimeContext,
        context: AttentionContext,
        text: TextContext,
        new_kv_LPHSD: Float[Tensor, "layer 2 head token head_dim"] | None = None,
    ) -> Float[Tensor, "frame chan height width"]:
        """Return the flow prediction of a block.

        Args:
            latents: the noisy block.
            time: noise level of the whole block, from `time_context`.
            context: gathered past; the places of the block's own tokens are overwritten.
            text: the prompt, from `text_context`.
            new_kv_LPHSD: receives the block's un-rotated keys and values, if given.
        """
        return self.passes_together([BlockPass(latents, time, context, text, new_kv_LPHSD)])[0]

    def passes_together(self, passes: Sequence[BlockPass]) -> list[Tensor]:
        """Return the flow predictions of the blocks of several videos, layer by layer.

        Only attention to the past is shared: it fills a GPU better for two videos than for one. The
        products are large enough, and with other shapes they would have other bits.

        Args:
            passes: the arguments of `forward` for each; if several, their contexts are plain and
                equally long.
        """
        kernel = current_kernel()
        tokens = [self.patchify(one.latents) for one in passes]
        for index, layer in enumerate(self.layers()):
            attended = self._attended(index, layer, tokens, passes)
            tokens = [
                self._after_attention(
                    layer,
                    x_SE,
                    y_SE,
                    one.time.time_6E,
                    one.text.keys_HTD[index],
                    one.text.values_HTD[index],
                    kernel,
                )
                for x_SE, y_SE, one in zip(tokens, attended, passes, strict=True)
            ]
        return [
            self.unpatchify(self.head(x_SE, one.time.time_E), one.latents.shape)
            for x_SE, one in zip(tokens, passes, strict=True)
        ]

    def _attended(
        self, index: int, layer: TransformerBlock, tokens: list[Tensor], passes: Sequence[BlockPass]
    ) -> list[Tensor]:
        """Return the self-attention of a layer for each video; write keys and values."""
        if not passes[0].context.is_plain:
            (x_SE,), (_, time, context, _, new_kv_LPHSD) = tokens, passes[0]
            q_HSD, k_HSD, v_HSD = layer.project(x_SE, time.time_6E)
            return [context.attend(index, q_HSD, k_HSD, v_HSD, rotate, new_kv_LPHSD)]
        queries, keys, values = [], [], []
        for x_SE, (_, time, context, _, new_kv_LPHSD) in zip(tokens, passes, strict=True):
            own = slice(-context.num_block_tokens, None)
            keys.append(context.keys_LHKD[index])
            values.append(context.values_LHKD[index])
            q_HSD = self._before_attention(
                layer,
                x_SE,
                time.time_6E,
                context.factors,
                keys[-1][:, own],
                values[-1][:, own],
                None if new_kv_LPHSD is None else new_kv_LPHSD[index],
            )
            queries.append(q_HSD)
        return attend_together(queries, keys, values)

    def layers(self) -> Iterator[TransformerBlock]:
        """Return the layers in order."""
        for layer in self.blocks:
            assert isinstance(layer, TransformerBlock)
            yield layer

    def patchify(self, latents_FCHW: Tensor) -> Tensor:
        """Return the tokens of a block; the patch convolution is computed as a linear map."""
        _, rows, columns = self.config.patch_size
        num_frames, _, height, width = latents_FCHW.shape
        grid = latents_FCHW.unflatten(3, (width // columns, columns))
        grid = grid.unflatten(2, (height // rows, rows))  # F C h rows w columns
        patches = grid.permute(0, 2, 4, 1, 3, 5).reshape(
            num_frames * (height // rows) * (width // columns), -1
        )
        return F.linear(patches, self.patch_embedding.weight.flatten(1), self.patch_embedding.bias)

    def unpatchify(self, patches_SP: Tensor, shape: torch.Size) -> Tensor:
        """Return latent frames of a shape from the patches of their tokens."""
        _, rows, columns = self.config.patch_size
        num_frames, _, height, width = shape
        grid = patches_SP.reshape(
            num_frames, height // rows, width // columns, rows, columns, self.config.out_dim
        )
        return grid.permute(0, 5, 1, 3, 2, 4).reshape(num_frames, -1, height, width)


@cache
def _compiled(half: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return torch.compile(half, fullgraph=True, dynamic=False)
