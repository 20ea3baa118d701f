"""The backbone that made the recordings of `tests/golden` with the public code.

Its prompts have seven words of a fixed vocabulary; its videos were 128x128.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from backbones.engine.backbone import Backbone, BackboneSource, LocatedFile, StreamingDecoder
from backbones.engine.sampler import SamplingConfig
from backbones.engine.spec import BackboneSpec, Geometry, Precision, WeightsKind
from backbones.engine.weights import load_strictly, read_tensors
from backbones.wan.config import WanConfig
from backbones.wan.transformer import CausalWanTransformer

_WEIGHTS = Path(__file__).parent / "golden" / "weights"
_CONFIG = WanConfig(
    dim=256, ffn_dim=1024, num_heads=4, num_layers=6, in_dim=16, out_dim=16, freq_dim=256,
    text_dim=64, text_len=7,
)  # fmt: skip
_GEOMETRY = Geometry((16, 16, 16), 4, 16, 128, 128)
_COLORS = "red orange yellow lime teal blue violet pink white black"
_VOCABULARY = (
    "<pad> dawn noon dusk night grassy sandy snowy volcanic mossy "
    f"{_COLORS} ball box kite star plain striped halved ringed drifting rushing pacing hopping "
    f"{_COLORS.replace(' ', 'ish ')}ish"
).split()


@dataclass
class GoldenBackbone(BackboneSource):
    """Arguments are those that a recording names.

    Args:
        weights: short or long.
        denoising_step_list: timesteps of the denoising passes.
        timestep_shift: shift of the noise schedule.
        budget_latents: context budget in latent frames, the block included.
        precision: number format of the transformer.
    """

    weights: str
    denoising_step_list: list[int]
    timestep_shift: float
    budget_latents: int
    precision: Precision

    def spec(self) -> BackboneSpec:
        return BackboneSpec(
            name=f"golden_{self.weights}",
            geometry=_GEOMETRY,
            shape=_CONFIG.shape(_GEOMETRY.latent_shape, 1024),
            sampling=SamplingConfig(tuple(self.denoising_step_list), self.timestep_shift),
            block_latents=3,
            budget_latents=self.budget_latents,
            trained_latents=21,
            precision=self.precision,
            weights=WeightsKind.own,
            licence="Apache-2.0",
            weights_bytes=0,
        )

    def files(self) -> Sequence[LocatedFile]:
        return [
            LocatedFile(role, _WEIGHTS / f"{role}_{self.weights}.safetensors", None)
            for role in ("transformer", "text_encoder")
        ]

    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        transformer_file, words_file = (file.path for file in self.files())
        transformer = CausalWanTransformer(_CONFIG)
        tensors = read_tensors(transformer_file, self.precision.dtype)
        load_strictly(transformer, tensors, "transformer weights")
        words_VE = read_tensors(words_file, torch.float32)["embedding.weight"]

        def encode_text(prompt: str) -> Float[Tensor, "token text_dim"]:
            return words_VE[[_VOCABULARY.index(word) for word in prompt.split()]]

        return Backbone(self.spec(), transformer.to(device).prepare(), encode_text, _no_decoder)


def _no_decoder() -> StreamingDecoder:
    raise AssertionError("recordings are latents")
