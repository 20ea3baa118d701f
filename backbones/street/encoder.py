"""The encoder of the street's latents: that of the small embedded VAE, normalised."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from backbones.tiny.backbone import load_vae


def load_encoder() -> Callable[[Tensor], Tensor]:
    """Return a function from a video in -1..1 to normalised latents, on the processor."""
    vae, mean_C, std_C = load_vae(torch.device("cpu"))

    @torch.inference_mode()
    def encode(video: Tensor) -> Tensor:
        return (vae.encode(video) - mean_C[:, None, None]) / std_C[:, None, None]

    return encode
