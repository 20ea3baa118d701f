"""The contract of an encoder."""

from __future__ import annotations

from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from harness.core.errors import LongtakeError
from harness.core.registry import PluginError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from methods.base import BlockView


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


UNIT_TOLERANCE = 1e-3
"""Largest distance of a descriptor's length from 1; that of an empty frame may be 0."""


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


@runtime_checkable
class EmbedsPrompts(Protocol):
    """An encoder whose queries are prompts: frames are compared with the prompt to come.

    The source of its frames is not latents.
    """

    def embed_prompt(self, view: BlockView) -> Float[Tensor, " dim"]:
        """Return a unit vector comparable with descriptors, for the prompt of `view.segment()`.

        Called while that block is planned, after frames were embedded, once for each prompt.
        """


def embed(encoder: Encoder, inputs: Float[Tensor, "frame ..."]) -> Float[Tensor, "frame dim"]:
    """Return the descriptors of an encoder, one per frame, without waiting for the device.

    Raises:
        PluginError: it returned something else.
    """
    found: object = encoder.embed(inputs)
    shape = list(getattr(found, "shape", ()))
    if not hasattr(found, "is_floating_point") or len(shape) != 2 or shape[0] != len(inputs):
        what = f"a {type(found).__name__}" + (f" of shape {shape}" if shape else "")
        raise PluginError(
            f"{type(encoder).__name__}.embed must return a tensor (frame, dim) with one row for "
            f"each of the {len(inputs)} frames (methods/encoders/base.py); it returned {what}."
        )
    return cast("Tensor", found).float()


def embed_prompt(encoder: EmbedsPrompts, view: BlockView) -> Float[Tensor, " dim"]:
    """Return the unit vector of the prompt of `view.segment()`; this waits for the device.

    Raises:
        PluginError: the encoder returned something else.
        LongtakeError: it returned numbers that are not finite.
    """
    found: object = encoder.embed_prompt(view)
    if not hasattr(found, "is_floating_point") or len(getattr(found, "shape", ())) != 1:
        raise PluginError(
            f"{type(encoder).__name__}.embed_prompt must return a tensor (dim,) "
            f"(methods/encoders/base.py); it returned a {type(found).__name__}."
        )
    query = cast("Tensor", found).float()
    check_descriptors(query[None], f"The prompt {view.segment().prompt!r}")
    return query


def check_descriptors(descriptors: Float[Tensor, "frame dim"], what: str) -> None:
    """Check that descriptors are finite and of unit length; this waits for the device.

    Args:
        descriptors: of an encoder.
        what: whose they are, for the message.

    Raises:
        LongtakeError: the first one that is not finite.
        PluginError: one of another length.
    """
    lengths = descriptors.norm(dim=1).tolist()
    for frame, length in enumerate(lengths):
        if not isfinite(length):
            raise LongtakeError(
                f"{what}: the descriptor of latent frame {frame} is not finite, so the rollout or "
                "the encoder has diverged."
            )
        if length != 0 and abs(length - 1) > UNIT_TOLERANCE:
            raise PluginError(
                f"{what}: the descriptor of latent frame {frame} has length {length:.4g}, but "
                "`embed` must return vectors of unit length, so that a dot product is the cosine: "
                "torch.nn.functional.normalize(descriptors, dim=1)."
            )


def source_of(encoder: Encoder) -> Source:
    """Return the input of an encoder; latents unless it declares another."""
    return Source(getattr(encoder, "source", Source.latents))


def trained_on(encoder: Encoder) -> tuple[str, ...]:
    """Return the fingerprints of the backbones an encoder was trained for; empty for any."""
    return tuple(getattr(encoder, "trained_on", None) or ())
