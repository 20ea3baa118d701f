"""The embedded backbone: a small causal Wan model of a procedural world, weights included.

`short` was trained on 21 latent frames from the start of a clip. `long` was trained further, on
clips with a gap after the first frame, so that it can use a sink and distant memory.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from backbones.engine.backbone import Backbone, BackboneSource, LocatedFile
from backbones.engine.sampler import SamplingConfig
from backbones.engine.spec import (
    BackboneSpec,
    Geometry,
    GivenKind,
    Precision,
    WeightsKind,
    network_bytes,
)
from backbones.engine.weights import load_strictly, read_tensors
from backbones.tiny.vae import (
    LATENT_CHANNELS,
    SPATIAL_FACTOR,
    TEMPORAL_FACTOR,
    TinyDecoder,
    TinyVAE,
)
from backbones.wan.config import WanConfig
from backbones.wan.transformer import CausalWanTransformer
from backbones.world.grammar import ScenePrompt
from harness.core.errors import ConfigError

DATA = Path(__file__).parent / "data"
_REMEDY = "It ships with Longtake; reinstall the package (pip install --force-reinstall longtake)."
_TRAINED_LATENTS = 21
_ROPE_POSITIONS = 1024


class TinyWeights(StrEnum):
    """Names of the two trained transformers."""

    short = "short"
    long = "long"


@dataclass
class TinyBackbone(BackboneSource):
    """The embedded backbone; the presets tiny_short and tiny_long choose its weights.

    Args:
        weights: short or long.
        denoising_step_list: timesteps of the denoising passes; 1000,700,400,150 is twice as fast.
        timestep_shift: shift of the noise schedule.
        context_noise: timestep of the clean pass.
        budget_latents: context budget in latent frames, the block included.
        precision: number format of the transformer.
    """

    weights: TinyWeights = TinyWeights.short
    denoising_step_list: list[int] = field(
        default_factory=lambda: [1000, 875, 750, 625, 500, 375, 250, 125]
    )
    timestep_shift: float = 3.0
    context_noise: int = 0
    budget_latents: int = 12
    precision: Precision = Precision.float32

    def spec(self) -> BackboneSpec:
        """Describe the backbone without reading any weights."""
        config = _config()
        video, block_latents = config["video"], config["sampling"]["num_frame_per_block"]
        if not block_latents < self.budget_latents <= _TRAINED_LATENTS:
            raise ConfigError(
                f"budget_latents={self.budget_latents} must be more than a block ({block_latents}) "
                f"and at most the {_TRAINED_LATENTS} latent frames of training."
            )
        transformer = _transformer_config()
        height, width = video["height"] // SPATIAL_FACTOR, video["width"] // SPATIAL_FACTOR
        latent_shape = (LATENT_CHANNELS, height, width)
        return BackboneSpec(
            name=f"tiny_{self.weights}",
            geometry=Geometry(
                latent_shape=latent_shape,
                temporal_factor=TEMPORAL_FACTOR,
                fps=video["fps"],
                width=video["width"],
                height=video["height"],
            ),
            shape=transformer.shape(latent_shape, _ROPE_POSITIONS),
            sampling=SamplingConfig(
                tuple(self.denoising_step_list), self.timestep_shift, self.context_noise
            ),
            block_latents=block_latents,
            budget_latents=self.budget_latents,
            trained_latents=_TRAINED_LATENTS,
            precision=self.precision,
            weights=WeightsKind.embedded,
            licence="Apache-2.0",
            weights_bytes=(
                network_bytes(CausalWanTransformer, self.precision, transformer)
                + network_bytes(TinyVAE, Precision.float32)
            ),
            given=GivenKind.videos,
        )

    def files(self) -> Sequence[LocatedFile]:
        """Return the embedded weights."""
        return [LocatedFile(role, path, None) for role, path in self._paths().items()]

    def check_prompt(self, prompt: str) -> None:
        """Refuse a prompt outside the grammar of the world."""
        ScenePrompt.parse(prompt)

    def remedy(self, file: LocatedFile) -> str:
        """Return how to get a missing file of the package."""
        return _REMEDY

    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        """Load all models; the text encoder is a table of words, so it accepts any prompt."""
        spec, files = self.spec(), self._paths()
        dtype = self.precision.dtype
        transformer = CausalWanTransformer(_transformer_config())
        load_strictly(transformer, read_tensors(files["transformer"], dtype), "transformer weights")
        words_VE = read_tensors(files["text_encoder"], torch.float32)["embedding.weight"]
        transformer.to(device).prepare(fp8=self.precision is Precision.fp8)
        vae, mean_C, std_C = load_vae(device)

        def encode_text(prompt: str) -> Float[Tensor, "token text_dim"]:
            return words_VE[list(ScenePrompt.parse(prompt).token_ids())]

        @torch.inference_mode()
        def encode_video(video: Float[Tensor, "frame 3 height width"]) -> Tensor:
            latents = vae.encode(video.to(device))
            return (latents - mean_C[:, None, None]) / std_C[:, None, None]

        return Backbone(
            spec,
            transformer,
            encode_text,
            lambda: TinyDecoder(vae, mean_C, std_C),
            compile_models=transformer.compile_layers,
            encode_video=encode_video,
        )

    def _paths(self) -> dict[str, Path]:
        return {
            "transformer": DATA / f"transformer_{self.weights}.safetensors",
            "text_encoder": DATA / f"text_encoder_{self.weights}.safetensors",
            "vae": DATA / "vae.safetensors",
        }


def load_vae(device: torch.device) -> tuple[TinyVAE, Tensor, Tensor]:
    """Load the small VAE, and mean and standard deviation of each latent channel."""
    vae = TinyVAE()
    load_strictly(vae, read_tensors(DATA / "vae.safetensors", torch.float32), "VAE weights")
    vae.eval().requires_grad_(False).to(device)
    stats = _config()["vae"]
    mean_C = torch.tensor(stats["latent_mean"], device=device)
    return vae, mean_C, torch.tensor(stats["latent_std"], device=device)


@cache
def _config() -> dict[str, Any]:
    return json.loads((DATA / "config.json").read_text())


def _transformer_config() -> WanConfig:
    fields = dict(_config()["transformer"])
    return WanConfig(**fields | {"patch_size": tuple(fields["patch_size"])})
