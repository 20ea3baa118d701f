"""The contract of an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class Encoder(Protocol):
    """Maps latent frames to descriptors. Built as `encoder(checkpoint)`, checkpoint a path or None.

    Raises on construction:
        LongtakeError: a checkpoint that is missing, not needed, or of another layout.
    """

    def __init__(self, checkpoint: str | None) -> None: ...

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        """Check the (channels, height, width) of the latents to come.

        Raises:
            LongtakeError: the encoder was made for latents of another shape.
        """

    def embed(
        self, latents: Float[Tensor, "frame chan height width"]
    ) -> Float[Tensor, "frame dim"]:
        """Descriptors of unit length, float32, so that a dot product is the cosine."""

    def fingerprint(self) -> str:
        """Changes whenever the descriptors would: the sha256 of the weights, or a fixed word."""
