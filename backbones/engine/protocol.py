"""The contract between the rollout engine and a model.

A model is a `torch.nn.Module` that fulfils `BlockTransformer`, and a `ModelShape` that describes
it. The engine owns the loop over blocks and denoising passes, the noise, and the keys and values of
all past latent frames. The model owns everything between the latents of a block and the flow it
predicts for them: patches, embeddings of space and noise level, layers, and the prompt.

Keys of the past are kept un-rotated, because a plan may place a frame at another temporal position
in every block. `Rotary` says how a position enters a key, so any scheme will do.

Letters: S token of the block, K token of context and block together, H head, D head channel,
L layer, P key or value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from backbones.engine.attention import attend, attend_by_head

if TYPE_CHECKING:
    from collections.abc import Callable


class Rotary(Protocol):
    """The way in which temporal positions enter queries and keys.

    Any function of a key and its position fulfils it; rotary embedding of channel pairs is one.

    Attributes:
        num_positions: temporal positions 0..num_positions-1 exist; a plan may use no others.
    """

    @property
    def num_positions(self) -> int: ...

    def factors(self, positions: Sequence[int]) -> Float[Tensor, "frame*token ..."]:
        """Return what `rotate` needs for frames at the given positions, on the CPU.

        The tokens of one latent frame are neighbours and in the order of the model's tokens. A
        scheme over space as well as time puts both into its factors.
        """

    @property
    def rotate(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The function of (queries or keys, factors) that returns them at their positions.

        Queries and keys have the shape (*batch, token, head_dim). It is a plain function or static
        method without state, in operations that `torch.compile` understands.
        """


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a transformer, known before any weights are loaded.

    Attributes:
        layers: layers with self-attention.
        heads: heads of the keys and values of a layer.
        head_dim: channels of a head.
        tokens_per_latent: tokens of one latent frame; a token never spans two of them.
        rotary: how temporal positions enter queries and keys.
        flops_per_token: multiplications and additions that one pass spends on a token of the block,
            without the products of self-attention, which the engine counts; used by `bench` only.
    """

    layers: int
    heads: int
    head_dim: int
    tokens_per_latent: int
    rotary: Rotary
    flops_per_token: int

    def kv_shape(self, num_latents: int) -> tuple[int, int, int, int, int]:
        """Return the shape of keys and values: (layer, 2, head, token, head channel)."""
        num_tokens = num_latents * self.tokens_per_latent
        return (self.layers, 2, self.heads, num_tokens, self.head_dim)

    def kv_bytes(self, num_latents: int, dtype: torch.dtype) -> int:
        """Return the bytes of the keys and values of latent frames, over all layers."""
        return torch.Size(self.kv_shape(num_latents)).numel() * dtype.itemsize

    def pass_flops(self, block_latents: int, context_latents: int) -> int:
        """Return the multiplications and additions of one pass over a block.

        Args:
            block_latents: latent frames of the block.
            context_latents: latent frames that it attends to, itself included.
        """
        num_keys = context_latents * self.tokens_per_latent
        attention = 4 * self.layers * self.heads * self.head_dim * num_keys
        return block_latents * self.tokens_per_latent * (self.flops_per_token + attention)


class GroupContext(NamedTuple):
    """The part of a context that a group of heads attends to.

    Attributes:
        heads: the heads of the group, for each layer: a slice, or their indices.
        num_tokens: tokens of its context, the block included.
        factors: what `Rotary.rotate` needs for the tokens of the block in this group.
    """

    heads: tuple[slice | Tensor, ...]
    num_tokens: int
    factors: Tensor


class AttentionContext(NamedTuple):
    """Keys and values that a block attends to, with room for its own behind those of the past.

    The buffers stay where they are for the whole rollout, as CUDA graphs require.

    Attributes:
        keys_LHKD: rotated keys of the past, then `num_block_tokens` places that every pass writes.
        values_LHKD: values, in the same order.
        factors: what `Rotary.rotate` needs for the tokens of the block.
        num_block_tokens: tokens of the block.
        queries_LHSD: receives the un-rotated queries of the block, where they are wanted.
        groups: what each head attends to, where that differs; then the rows of `keys_LHKD` and
            `values_LHKD` of a head hold the context of its group, and `factors` is not used.
    """

    keys_LHKD: Tensor
    values_LHKD: Tensor
    factors: Tensor
    num_block_tokens: int
    queries_LHSD: Tensor | None = None
    groups: tuple[GroupContext, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Tell if a model may compute `attend` in its own way: no groups, nothing recorded."""
        return self.queries_LHSD is None and not self.groups

    def attend(
        self,
        layer: int,
        q_HSD: Tensor,
        k_HSD: Tensor,
        v_HSD: Tensor,
        rotate: Callable[[Tensor, Tensor], Tensor],
        new_kv_LPHSD: Tensor | None,
    ) -> Float[Tensor, "token chan"]:
        """Return the self-attention of one layer; write the block's own keys and values.

        Args:
            layer: index of the layer.
            q_HSD: queries of the block, not rotated.
            k_HSD: keys of the block, not rotated.
            v_HSD: values of the block.
            rotate: `Rotary.rotate` of the model.
            new_kv_LPHSD: as given to the pass.
        """
        if new_kv_LPHSD is not None:
            new_kv_LPHSD[layer, 0] = k_HSD
            new_kv_LPHSD[layer, 1] = v_HSD
        if self.queries_LHSD is not None:
            self.queries_LHSD[layer] = q_HSD
        keys_HKD, values_HKD = self.keys_LHKD[layer], self.values_LHKD[layer]
        if self.groups:
            y_HSD = torch.empty_like(q_HSD)
            for group in self.groups:
                heads, end = group.heads[layer], group.num_tokens
                own = slice(end - self.num_block_tokens, end)
                keys_HKD[heads, own] = rotate(k_HSD[heads], group.factors)
                values_HKD[heads, own] = v_HSD[heads]
                q = rotate(q_HSD[heads], group.factors)
                y_HSD[heads] = attend_by_head(q, keys_HKD[heads, :end], values_HKD[heads, :end])
            return y_HSD.transpose(0, 1).flatten(1)
        keys_HKD[:, -self.num_block_tokens :] = rotate(k_HSD, self.factors)
        values_HKD[:, -self.num_block_tokens :] = v_HSD
        return attend(rotate(q_HSD, self.factors), keys_HKD, values_HKD)


# What `text_context` and `time_context` of a model return; the engine only hands it back.
TextContext = Any
TimeContext = Any


class BlockPass(NamedTuple):
    """The arguments of one pass over a block of one video, as `BlockTransformer` takes them."""

    latents: Tensor
    time: TimeContext
    context: AttentionContext
    text: TextContext
    new_kv_LPHSD: Tensor | None = None


class BlockTransformer(Protocol):
    """A causal transformer that denoises one block of latent frames at a time.

    An implementation is a `torch.nn.Module`. All its parameters lie on one device, and it computes
    in the precision of its `BackboneSpec`. There is no batch axis: a pass is over a block of one
    video, and all frames of a block share one noise level.
    """

    def text_context(self, text: Float[Tensor, "token text_dim"]) -> TextContext:
        """Return what passes need of a prompt; called once a segment of the video.

        Args:
            text: what `Backbone.encode_text` returned, on the device and in its precision.
        """

    def time_context(self, timestep: float) -> TimeContext:
        """Return what passes need of a noise level, 0 (clean) to 1000; called once a video."""

    def __call__(
        self,
        latents: Float[Tensor, "frame chan height width"],
        time: TimeContext,
        context: AttentionContext,
        text: TextContext,
        new_kv_LPHSD: Float[Tensor, "layer 2 head token head_dim"] | None = None,
    ) -> Float[Tensor, "frame chan height width"]:
        """Return the flow of a block: its noise minus its clean latents, as the model predicts it.

        Every layer attends to `context`, whose last places it fills with the block's own keys and
        values: `AttentionContext.attend` does that. Nothing may be read back to the host.

        Args:
            latents: the noisy block, or the clean one with the noise level of the clean pass.
            time: noise level of the whole block.
            context: the past.
            text: the prompt.
            new_kv_LPHSD: where to write the un-rotated keys and values of the block, if wanted.
        """

    # A model whose prompts have keys in cross-attention also has
    # `text_keys(text: TextContext) -> Float[Tensor, "layer chan"]`: their means over the prompt.
    # One that shares work between videos also has
    # `passes_together(passes: Sequence[BlockPass]) -> list[Tensor]`: their flows; all
    # contexts are plain and equally long.

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return all parameters, as any `torch.nn.Module` does."""
