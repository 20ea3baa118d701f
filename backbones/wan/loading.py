"""The models of a Wan backbone, filled with released or random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch

from backbones.engine.spec import Precision
from backbones.engine.weights import load_strictly, read_tensors, unfilled
from backbones.wan.checkpoint import bare_names, kind_of, open_generator, read_generator
from backbones.wan.diffusers_layout import wan_names
from backbones.wan.lora import merge, read_lora
from backbones.wan.random_weights import random_tensors
from backbones.wan.transformer import CausalWanTransformer
from backbones.wan.vae import WanVAE

if TYPE_CHECKING:
    from torch import Tensor, nn

    from backbones.wan.catalogue import Release, Shape
    from backbones.wan.files import ReleasedFiles


@dataclass(frozen=True)
class Models:
    """Transformer and VAE, built without weights and filled afterwards.

    Attributes:
        transformer: the flow model.
        vae: the video VAE.
        precision: number format of the transformer.
        vae_precision: number format of the VAE.
    """

    transformer: CausalWanTransformer
    vae: WanVAE
    precision: Precision
    vae_precision: Precision

    @classmethod
    def empty(cls, shape: Shape, precision: Precision, vae_precision: Precision) -> Self:
        """Return models of a shape on the meta device, where they take no memory."""
        with unfilled():
            transformer, vae = CausalWanTransformer(shape.transformer), WanVAE(shape.vae)
        return cls(transformer, vae, precision, vae_precision)

    def fill_randomly(self, seed: int) -> None:
        """Fill the models with weights drawn from a seed."""
        for module, precision in (
            (self.transformer, self.precision),
            (self.vae, self.vae_precision),
        ):
            load_strictly(module, random_tensors(module, seed, precision.dtype), "random weights")

    def fill(self, release: Release, files: ReleasedFiles) -> None:
        """Fill the models with released weights; merge the adapter, if there is one.

        Raises:
            MissingWeights: a file that can't be read or doesn't fit.
        """
        tensors = _generator_tensors(release, files, self.precision.dtype)
        _load(self.transformer, tensors, files.path("generator"))
        path = files.path("vae")
        _load(self.vae, wan_names(read_tensors(path, self.vae_precision.dtype)), path)

    def compile(self, compiled: bool) -> None:
        """Run both models compiled, or as they are."""
        self.transformer.compile_layers(compiled)
        self.vae.compile_decoder(compiled)

    def ready(self, device: torch.device) -> None:
        """Move the models to a device and prepare them for inference."""
        self.transformer.to(device).prepare(fp8=self.precision is Precision.fp8)
        self.vae.to(device).prepare()


def _generator_tensors(
    release: Release, files: ReleasedFiles, dtype: torch.dtype
) -> dict[str, Tensor]:
    path = files.path("generator")
    if release.lora_config is None:
        return read_generator(path, release.entry, dtype)
    lora = files.path("lora")
    adapters = read_lora(lora, release.lora_config)
    base = bare_names(open_generator(path, release.entry), path.name)
    return merge(base, adapters, release.lora_config, dtype, lora.name)


def _load(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    load_strictly(module, tensors, f"{path.name}, which holds {kind_of(tensors)},")
