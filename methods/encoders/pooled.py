"""Encoders without weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from harness.core.errors import ConfigError
from methods.encoders.base import Source

if TYPE_CHECKING:
    from methods.base import BlockView


class _Weightless:
    def __init__(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            raise ConfigError(
                f"This descriptor has no weights; leave method.checkpoint empty: {checkpoint!r}."
            )

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        """Accept any latent shape."""

    def fingerprint(self) -> str:
        """Return a fixed word, because there are no weights."""
        return "none"


class AveragePool(_Weightless):
    """The mean of each channel over space, the fallback of the public LongLive-RAG code."""

    def embed(
        self, latents: Float[Tensor, "frame chan height width"]
    ) -> Float[Tensor, "frame chan"]:
        return F.normalize(latents.float().mean(dim=(-2, -1)), dim=-1)


class Flat(_Weightless):
    """The whole latent frame as one vector."""

    def embed(
        self, latents: Float[Tensor, "frame chan height width"]
    ) -> Float[Tensor, "frame chan*height*width"]:
        return F.normalize(latents.float().flatten(1), dim=-1)


class MeanKeys(_Weightless):
    """The mean keys of the backbone, each layer scaled to unit length, concatenated."""

    source = Source.keys

    def embed(self, inputs: Float[Tensor, "frame layer chan"]) -> Float[Tensor, "frame layer*chan"]:
        return F.normalize(F.normalize(inputs.float(), dim=-1).flatten(1), dim=-1)


class PromptKeys(MeanKeys):
    """Mean keys of frames, searched by the cross-attention keys of the coming prompt.

    The comparison is that of MemFlow's memory (methods/published/memflow.py), as a cosine.
    """

    def embed_prompt(self, view: BlockView) -> Float[Tensor, " dim"]:
        return self.embed(view.mean_text_keys()[None])[0]
