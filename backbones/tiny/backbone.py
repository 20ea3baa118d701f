"""The embedded backbone: a small causal Wan model of a procedural world, weights included.

`short` was trained on 21 latent frames from the start of a clip, `long` was continued on clips with
a gap behind the first frame, so that a sink and distant memory are familiar to it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from backbones.engine.sampler import SamplingConfig
from backbones.engine.spec import (
    Backbone,
    BackboneSpec,
    Geometry,
    LocatedFile,
    Precision,
    WeightsKind,
    kv_bytes_per_latent,
    parameter_bytes,
)
from backbones.engine.weights import load_strictly, read_tensors, sha256_of
from backbones.tiny.vae import (
    LATENT_CHANNELS,
    SPATIAL_FACTOR,
    TEMPORAL_FACTOR,
    TinyDecoder,
    TinyVAE,
)
from backbones.wan.transformer import CausalWanTransformer, WanConfig
from backbones.world.grammar import ScenePrompt
from harness.core.errors import LongtakeError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

DATA = Path(__file__).parent / "data"
_REMEDY = "It ships with Longtake; reinstall the package (pip install --force-reinstall longtake)."
_TRAINED_LATENTS = 21
_ROPE_POSITIONS = 1024


class TinyWeights(StrEnum):
    """Which of the two trained transformers."""

    short = "short"
    long = "long"


@dataclass
class TinyBackbone:
    """Arguments of the embedded backbone.

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
        """See BackboneSource.spec."""
        config = _config()
        video, block_latents = config["video"], config["sampling"]["num_frame_per_block"]
        if not block_latents < self.budget_latents <= _TRAINED_LATENTS:
            raise LongtakeError(
                f"budget_latents={self.budget_latents} must be more than a block ({block_latents}) "
                f"and at most the {_TRAINED_LATENTS} latent frames of training."
            )
        transformer = _transformer_config()
        height, width = video["height"] // SPATIAL_FACTOR, video["width"] // SPATIAL_FACTOR
        _, patch_rows, patch_columns = transformer.patch_size
        tokens = (height // patch_rows) * (width // patch_columns)
        return BackboneSpec(
            name=f"tiny_{self.weights}",
            geometry=Geometry(
                latent_shape=(LATENT_CHANNELS, height, width),
                tokens_per_frame=tokens,
                temporal_factor=TEMPORAL_FACTOR,
                fps=video["fps"],
                width=video["width"],
                height=video["height"],
            ),
            sampling=SamplingConfig(
                tuple(self.denoising_step_list), self.timestep_shift, self.context_noise
            ),
            block_latents=block_latents,
            budget_latents=self.budget_latents,
            trained_latents=_TRAINED_LATENTS,
            rope_positions=_ROPE_POSITIONS,
            precision=self.precision,
            weights=WeightsKind.embedded,
            licence="Apache-2.0",
            weights_bytes=_weights_bytes(self.precision),
            kv_bytes_per_latent=kv_bytes_per_latent(transformer, tokens, self.precision),
        )

    def files(self) -> Sequence[LocatedFile]:
        """See BackboneSource.files."""
        return [LocatedFile(role, path, None) for role, path in self._paths().items()]

    def check_prompt(self, prompt: str) -> None:
        """See BackboneSource.check_prompt."""
        ScenePrompt.parse(prompt)

    def identity(self) -> dict[str, Any]:
        """See BackboneSource.identity."""
        hashes = {role: sha256_of(path, _REMEDY) for role, path in self._paths().items()}
        return asdict(self) | {"weights_sha256": hashes}

    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        """See BackboneSource.load. The text encoder is a table of words: prompts need no care."""
        spec, files = self.spec(), self._paths()
        dtype = self.precision.dtype
        transformer = CausalWanTransformer(_transformer_config())
        load_strictly(transformer, read_tensors(files["transformer"], dtype), "transformer weights")
        words_VE = read_tensors(files["text_encoder"], torch.float32)["embedding.weight"]
        transformer.to(device).prepare()
        vae, mean_C, std_C = load_vae(device)

        def encode_text(prompt: str) -> Float[Tensor, "token text_dim"]:
            return words_VE[list(ScenePrompt.parse(prompt).token_ids())]

        return Backbone(spec, transformer, encode_text, lambda: TinyDecoder(vae, mean_C, std_C))

    def _paths(self) -> dict[str, Path]:
        return {
            "transformer": DATA / f"transformer_{self.weights}.safetensors",
            "text_encoder": DATA / f"text_encoder_{self.weights}.safetensors",
            "vae": DATA / "vae.safetensors",
        }


def load_vae(device: torch.device) -> tuple[TinyVAE, Tensor, Tensor]:
    """The small VAE, and mean and standard deviation of each latent channel."""
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


@cache
def _weights_bytes(precision: Precision) -> int:
    with torch.device("meta"):
        transformer, vae = CausalWanTransformer(_transformer_config()), TinyVAE()
    return parameter_bytes(transformer, precision) + parameter_bytes(vae, Precision.float32)
