"""Backbones of Wan2.1-1.3B shape: Self-Forcing, Causal-Forcing and LongLive, released or random."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from backbones.sampler import SamplingConfig
from backbones.spec import (
    Backbone,
    BackboneSpec,
    Geometry,
    LocatedFile,
    Precision,
    WeightsKind,
    kv_bytes_per_latent,
    parameter_bytes,
)
from backbones.wan import catalogue
from backbones.wan.catalogue import BLOCK_LATENTS, DEBUG, WAN_1_3B, Release, Shape
from backbones.wan.checkpoint import bare_names, kind_of, open_generator, read_generator
from backbones.wan.lora import merge, read_lora
from backbones.wan.prompts import LongPrompt, Prompts, RandomPrompts, ReleasedPrompts
from backbones.wan.random_weights import random_tensors
from backbones.wan.transformer import CausalWanTransformer
from backbones.wan.vae import WanDecoder, WanVAE
from backbones.weights import load_strictly, read_tensors, require_file, sha256_of
from harness.errors import LongtakeError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.weights_files import WeightsFile

# The longest window that any of them was trained with.
_MAX_BUDGET_LATENTS = 21


class WanWeights(StrEnum):
    """The authors' weights, or seeded ones for trying and timing everything without files."""

    released = "released"
    random = "random"


class Flavor(StrEnum):
    """Sizes of the models. debug is small enough for a processor and takes random weights only."""

    wan_1_3b = "wan_1_3b"
    debug = "debug"

    @property
    def shape(self) -> Shape:
        """The sizes of this name."""
        return DEBUG if self is Flavor.debug else WAN_1_3B


class Setting(StrEnum):
    """benchmark: the context budget that all backbones share. official: that of the authors."""

    benchmark = "benchmark"
    official = "official"


@dataclass
class WanBackbone:
    """Arguments of a released backbone of Wan2.1-1.3B shape.

    Args:
        weights: released, or random for trying and timing without files.
        seed: of random weights.
        flavor: sizes of the models; debug goes with random weights only.
        setting: equal context budget, or that of the authors (their own rollout if method=native).
        budget_latents: context budget in latent frames, the block included; that of the setting
            where left out.
        denoising_step_list: timesteps of the denoising passes, before the shift.
        timestep_shift: shift of the noise schedule.
        context_noise: timestep of the clean pass.
        precision: number format of the transformer.
        vae_precision: number format of the VAE.
        long_prompt: what happens to a prompt of more tokens than the text encoder takes.
        generator: path of the checkpoint, in place of the fetched one; likewise the next four.
        lora: path of the adapter, where the backbone has one.
        vae: path of the VAE.
        text_encoder: path of the text encoder.
        tokenizer: folder of the tokenizer's files.
    """

    release: ClassVar[Release]

    weights: WanWeights = WanWeights.released
    seed: int = 0
    flavor: Flavor = Flavor.wan_1_3b
    setting: Setting = Setting.benchmark
    budget_latents: int | None = None
    denoising_step_list: list[int] = field(default_factory=lambda: [1000, 750, 500, 250])
    timestep_shift: float = 5.0
    context_noise: int = 0
    precision: Precision = Precision.bfloat16
    vae_precision: Precision = Precision.bfloat16
    long_prompt: LongPrompt = LongPrompt.refuse
    generator: str | None = None
    lora: str | None = None
    vae: str | None = None
    text_encoder: str | None = None
    tokenizer: str | None = None

    def spec(self) -> BackboneSpec:
        """See BackboneSource.spec."""
        self._check()
        shape, release = self.flavor.shape, self.release
        random = self.weights is WanWeights.random
        return BackboneSpec(
            name=release.name,
            geometry=Geometry(
                latent_shape=shape.latent_shape,
                tokens_per_frame=shape.tokens_per_frame,
                temporal_factor=shape.vae.temporal_factor,
                fps=catalogue.FPS,
                width=shape.width,
                height=shape.height,
            ),
            sampling=SamplingConfig(
                tuple(self.denoising_step_list), self.timestep_shift, self.context_noise
            ),
            block_latents=BLOCK_LATENTS,
            budget_latents=self._budget_latents(),
            trained_latents=release.trained_latents,
            rope_positions=catalogue.ROPE_POSITIONS,
            precision=self.precision,
            weights=WeightsKind.random if random else WeightsKind.released,
            licence="none (random weights)" if random else release.licence,
            weights_bytes=_weights_bytes(shape, self.precision, self.vae_precision),
            kv_bytes_per_latent=kv_bytes_per_latent(
                shape.transformer, shape.tokens_per_frame, self.precision
            ),
            official=self.setting is Setting.official,
            long_setting=release.long_setting,
            native_window=release.native_window,
        )

    def files(self) -> Sequence[LocatedFile]:
        """See BackboneSource.files."""
        if self.weights is WanWeights.random:
            return ()
        given = {
            "generator": self.generator,
            "lora": self.lora,
            "vae": self.vae,
            "text_encoder": self.text_encoder,
        }
        if self.tokenizer:
            folder = Path(self.tokenizer)
            names = (Path(source.file).name for source in catalogue.TOKENIZER)
            given |= {f"tokenizer/{name}": str(folder / name) for name in names}
        return [_located(role, given.get(role), source) for role, source in self._sources()]

    def check_prompt(self, prompt: str) -> None:
        """See BackboneSource.check_prompt."""
        self._prompts().check(prompt)

    def identity(self) -> dict[str, Any]:
        """See BackboneSource.identity. Contents take the place of paths."""
        random = self.weights is WanWeights.random
        paths = dict.fromkeys(("generator", "lora", "vae", "text_encoder", "tokenizer"))
        hashes = {file.role: sha256_of(file.path, self._remedy(file)) for file in self.files()}
        return (
            asdict(self)
            | paths
            | {
                "seed": self.seed if random else None,
                "budget_latents": self._budget_latents(),
                "weights_sha256": hashes,
            }
        )

    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        """See BackboneSource.load."""
        shape = self.flavor.shape
        self._require_files()
        spec = self._spec_of_files()
        # The text encoder comes and goes before anything else is on the device.
        embedded = self._prompts().embed(prompts, device)
        with torch.device("meta"):
            transformer = CausalWanTransformer(shape.transformer)
            vae = WanVAE(shape.vae)
        if self.weights is WanWeights.random:
            _fill_randomly(transformer, self.seed, self.precision)
            _fill_randomly(vae, self.seed, self.vae_precision)
        else:
            _fill(transformer, self._generator_tensors(), self._path("generator"))
            path = self._path("vae")
            _fill(vae, read_tensors(path, self.vae_precision.dtype), path)
        transformer.to(device).prepare()
        vae.to(device).prepare()
        return Backbone(
            spec,
            transformer,
            lambda prompt: embedded[prompt].embedding,
            lambda: WanDecoder(vae),
            {prompt: item.num_cut_tokens for prompt, item in embedded.items()},
        )

    def _spec_of_files(self) -> BackboneSpec:
        """The description, now that the files can be looked at: are they the published ones?"""
        spec = self.spec()
        published = {role: source.sha256 for role, source in self._sources()}
        found = {file.role: sha256_of(file.path, self._remedy(file)) for file in self.files()}
        if all(found[role] == published[role] for role in found):
            return spec
        return dataclasses.replace(spec, weights=WeightsKind.own, licence="not known (own files)")

    def _sources(self) -> list[tuple[str, WeightsFile]]:
        """The published files by role."""
        release = self.release
        lora = [("lora", release.lora)] if release.lora else []
        shared = [("vae", catalogue.VAE), ("text_encoder", catalogue.TEXT_ENCODER)]
        tokenizer = [(f"tokenizer/{Path(f.file).name}", f) for f in catalogue.TOKENIZER]
        return [("generator", release.generator), *lora, *shared, *tokenizer]

    def _check(self) -> None:
        if self.flavor is Flavor.debug and self.weights is not WanWeights.random:
            raise LongtakeError(
                "backbone.flavor=debug has no released weights; add backbone.weights=random."
            )
        if self.lora and self.release.lora is None:
            raise LongtakeError(f"backbone.lora: {self.release.name} has no LoRA.")
        self._budget_latents()

    def _budget_latents(self) -> int:
        if self.setting is Setting.official:
            official = self.release.native_window.budget_latents
            if self.budget_latents not in (None, official):
                raise LongtakeError(
                    f"budget_latents={self.budget_latents}, but setting=official of "
                    f"{self.release.name} means {official}; leave one of the two out."
                )
            return official
        budget = self.budget_latents
        if budget is None:
            return catalogue.BENCHMARK_BUDGET_LATENTS
        if not BLOCK_LATENTS < budget <= _MAX_BUDGET_LATENTS:
            raise LongtakeError(
                f"budget_latents={budget} must be more than a block ({BLOCK_LATENTS}) and at most "
                f"the {_MAX_BUDGET_LATENTS} latent frames that attention saw in training."
            )
        return budget

    def _prompts(self) -> Prompts:
        config = self.flavor.shape.text
        if self.weights is WanWeights.random:
            return RandomPrompts(config, self.seed, self.long_prompt)
        self._require_files()
        folder = self._path("tokenizer/tokenizer.json").parent
        return ReleasedPrompts(config, self._path("text_encoder"), folder, self.long_prompt)

    def _generator_tensors(self) -> dict[str, Tensor]:
        path, entry, dtype = self._path("generator"), self.release.entry, self.precision.dtype
        if self.release.lora_config is None:
            return read_generator(path, entry, dtype)
        config, lora = self.release.lora_config, self._path("lora")
        base = bare_names(open_generator(path, entry), path.name)
        return merge(base, read_lora(lora, config), config, dtype, lora.name)

    def _path(self, role: str) -> Path:
        return next(file.path for file in self.files() if file.role == role)

    def _require_files(self) -> None:
        for file in self.files():
            require_file(file.path, self._remedy(file))

    def _remedy(self, file: LocatedFile) -> str:
        if file.source is None:
            return f"backbone.{file.role.partition('/')[0]} names it."
        return f"To get it: python -m harness fetch-weights backbone={self.release.name}"


@dataclass
class SelfForcing(WanBackbone):
    """Self-Forcing (DMD), EMA weights."""

    release: ClassVar[Release] = catalogue.SELF_FORCING


@dataclass
class CausalForcing(WanBackbone):
    """Causal-Forcing, chunk-wise."""

    release: ClassVar[Release] = catalogue.CAUSAL_FORCING


@dataclass
class LongLive(WanBackbone):
    """LongLive 1 (1.3B), LoRA merged into the base."""

    release: ClassVar[Release] = catalogue.LONGLIVE


def _located(role: str, given: str | None, source: WeightsFile) -> LocatedFile:
    """A file the user named, or the fetched one."""
    if given is not None:
        return LocatedFile(role, Path(given), None)
    return LocatedFile(role, source.path, source)


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    load_strictly(module, tensors, f"{path.name}, which holds {kind_of(tensors)},")


def _fill_randomly(module: nn.Module, seed: int, precision: Precision) -> None:
    load_strictly(module, random_tensors(module, seed, precision.dtype), "random weights")


@cache
def _weights_bytes(shape: Shape, precision: Precision, vae_precision: Precision) -> int:
    with torch.device("meta"):
        transformer, vae = CausalWanTransformer(shape.transformer), WanVAE(shape.vae)
    return parameter_bytes(transformer, precision) + parameter_bytes(vae, vae_precision)
