"""Streaming decode of one video."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from backbones.engine.pixels import to_pixels
from backbones.wan.vae.causal import CausalMemory

if TYPE_CHECKING:
    from backbones.wan.vae.model import WanVAE


class WanDecoder:
    """Decodes the latents of one video as they arrive; fulfils StreamingDecoder of the engine.

    Args:
        vae: the model.
    """

    def __init__(self, vae: WanVAE) -> None:
        self.vae = vae
        self._memory = CausalMemory()
        self._mean_C11, self._std_C11 = vae.latent_statistics()

    @torch.inference_mode()
    def decode(
        self, latents: Float[Tensor, "latent chan height width"]
    ) -> UInt8[Tensor, "frame height*8 width*8 3"]:
        """Return the frames of the next latent frames; the first one of a video gives one frame.

        Args:
            latents: the next normalised latents.

        Returns:
            Frames on the VAE's device, which may still be computing them.
        """
        latents = latents.to(self._mean_C11.device, non_blocking=True)
        latents = latents * self._std_C11 + self._mean_C11
        # One by one: the same shapes and kernels, and therefore the same bits, for any chunking.
        return torch.cat([to_pixels(self._video(latent[None])) for latent in latents])

    def _video(self, latent_1CHW: Tensor) -> Tensor:
        return self.vae.decode_latent(latent_1CHW, self._memory).float()
