"""The trained retrieval autoencoder (LongLive-RAG) as a descriptor."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from harness.core.determinism import full_float32
from harness.core.errors import ConfigError, MissingWeights
from methods.encoders.checkpoint import find_checkpoint, load_part, read_checkpoint
from methods.encoders.network import ConvEncoder


class AutoencoderDescriptor:
    """Descriptor of the trained retrieval autoencoder; only its encoder half is loaded.

    Args:
        checkpoint: `ae_latent_mem.pt` (a dict with `model` and `config`), a .safetensors file with
            the same tensors and the config as JSON in its metadata, or the name of a shipped
            encoder (street_recon, street_smooth, street_delta, street_full).

    Attributes:
        trained_on: fingerprints of the backbones of its corpus; empty when unknown.
    """

    def __init__(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            raise MissingWeights(
                "descriptor=autoencoder needs its trained weights: method.checkpoint=PATH "
                "(ae_latent_mem.pt or .safetensors); descriptor=avg_pool needs none."
            )
        content = read_checkpoint(find_checkpoint(checkpoint))
        self._sha256 = content.sha256
        self._config = content.config
        self.trained_on = content.training.backbones
        self._encoder = ConvEncoder(self._config)
        encoder_tensors = {
            name.removeprefix("encoder."): tensor
            for name, tensor in content.tensors.items()
            if not name.startswith("decoder.")  # reconstruction is for training only
        }
        load_part(self._encoder, encoder_tensors, content.name)
        self._encoder.eval().requires_grad_(False)

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        if latent_shape != self._config.latent_shape:
            raise ConfigError(
                "The retrieval autoencoder was trained on latents of shape "
                f"{self._config.latent_shape}; this backbone makes {latent_shape}."
            )

    def embed(
        self, latents: Float[Tensor, "frame chan height width"]
    ) -> Float[Tensor, "frame dim"]:
        encoder = self._encoder.to(latents.device)
        with torch.inference_mode(), full_float32():
            return F.normalize(encoder(latents.float()), dim=-1)

    def fingerprint(self) -> str:
        return self._sha256
