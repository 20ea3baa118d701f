"""The contract of an encoder."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class Source(StrEnum):
    """The input of an encoder.

    latents: clean latent frames, float (frame, chan, height, width).
    keys: mean keys of the backbone's self-attention, float (frame, layer, model channel): the
        un-rotated keys of the clean pass, averaged over the tokens of a latent frame.
    frames: decoded video, RGB uint8 (frame, height, width, 3): the last video frame of each latent
        frame. The video is decoded a second time for it.
    """

    latents = "latents"
    keys = "keys"
    frames = "frames"


class Encoder(Protocol):
    """Maps latent frames to descriptors. Built as `encoder(checkpoint)`, checkpoint a path or None.

    An encoder may also have these attributes:
        source: a Source, the input of `embed`; latents if it is absent.
        trained_on: fingerprints "name@digest of the weights" of the backbones whose latents it was
            trained on. On a backbone of another name it is refused, unless
            `method.allow_other_backbone=true`. Digests are informative and not compared. None or
            empty: any backbone.

    Raises on construction:
        LongtakeError: a checkpoint that is missing, not needed, or of another layout.
    """

    def __init__(self, checkpoint: str | None) -> None: ...

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        """Check the (channels, height, width) of the latents to come.

        Raises:
            LongtakeError: the encoder was made for latents of another shape.
        """

    def embed(self, inputs: Float[Tensor, "frame ..."]) -> Float[Tensor, "frame dim"]:
        """Return descriptors of unit length, float32, so that a dot product is the cosine."""

    def fingerprint(self) -> str:
        """Return text that identifies the descriptors: sha256 of the weights, or a fixed word."""


def source_of(encoder: Encoder) -> Source:
    """Return the input of an encoder; latents unless it declares another."""
    return Source(getattr(encoder, "source", Source.latents))


def trained_on(encoder: Encoder) -> tuple[str, ...]:
    """Return the fingerprints of the backbones an encoder was trained for; empty for any."""
    return tuple(getattr(encoder, "trained_on", None) or ())
