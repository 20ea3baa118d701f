"""The small VAE with its normalisation: video to latents of the embedded backbone, and back."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from backbones.tiny.backbone import load_vae
from backbones.tiny.vae import LATENT_CHANNELS, SPATIAL_FACTOR, TinyDecoder

_SIDES_PX = (128, 64)


class TinyCodec:
    """Encodes and decodes whole videos of the embedded backbones, on the CPU.

    Attributes:
        latent_shapes: shapes of their latent frames.
    """

    latent_shapes = tuple(
        (LATENT_CHANNELS, side // SPATIAL_FACTOR, side // SPATIAL_FACTOR) for side in _SIDES_PX
    )

    def __init__(self) -> None:
        self._vae, self._mean_C, self._std_C = load_vae(torch.device("cpu"))

    @torch.inference_mode()
    def encode(
        self, video: Float[Tensor, "frame 3 height width"]
    ) -> Float[Tensor, "latent chan height/8 width/8"]:
        """Return the normalised latents of a video of 4T-3 frames in -1..1."""
        latents = self._vae.encode(video)
        return (latents - self._mean_C[:, None, None]) / self._std_C[:, None, None]

    def decode(self, latents: Float[Tensor, "latent chan height width"]) -> np.ndarray:
        """Return RGB frames, uint8 (frame, height, width, 3)."""
        decoder = TinyDecoder(self._vae, self._mean_C, self._std_C)
        return decoder.decode(latents).cpu().numpy()
