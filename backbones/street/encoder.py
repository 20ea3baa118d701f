"""The encoder of videos of the street: its weights, and how to run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from backbones.engine.weights import load_strictly, read_tensors
from backbones.street.vae import LatentEncoder

ENCODER = Path(__file__).parent / "data" / "video_encoder.safetensors"


def load_encoder() -> Callable[[Tensor], Tensor]:
    """Return a function from a video in -1..1 to normalised latents, on the CPU."""
    encoder = LatentEncoder()
    load_strictly(encoder, read_tensors(ENCODER, torch.float32), "weights of the video encoder")
    encoder.eval().requires_grad_(False)
    return torch.inference_mode()(encoder.encode)
