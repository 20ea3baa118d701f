"""Backbones of Wan2.1-1.3B shape: Self-Forcing, Causal-Forcing and LongLive, released or random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

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
from backbones.wan import catalogue
from backbones.wan.catalogue import DEBUG, THIN, WAN_1_3B, Release, Shape
from backbones.wan.files import ReleasedFiles
from backbones.wan.loading import Models
from backbones.wan.prompts import LongPrompt, Prompts, RandomPrompts, ReleasedPrompts
from backbones.wan.transformer import CausalWanTransformer
from backbones.wan.vae import WanDecoder, WanVAE
from harness.core.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Arguments that are paths of files.
_PATHS = ("generator", "lora", "vae", "text_encoder", "tokenizer")
# The longest window that any of these models was trained with.
_MAX_BUDGET_LATENTS = 21


class WanWeights(StrEnum):
    """The authors' weights, or seeded ones to try and time everything without files."""

    released = "released"
    random = "random"


class Flavor(StrEnum):
    """Sizes of the models; only wan_1_3b has released weights.

    thin has two layers of the full size, for checks of kernels and memory on a GPU; debug is small
    enough for a CPU.
    """

    wan_1_3b = "wan_1_3b"
    thin = "thin"
    debug = "debug"

    @property
    def shape(self) -> Shape:
        """Return the sizes of this name."""
        return {Flavor.thin: THIN, Flavor.debug: DEBUG}.get(self, WAN_1_3B)


class Setting(StrEnum):
    """Context budget: benchmark is the one that all backbones share, official the authors' own."""

    benchmark = "benchmark"
    official = "official"


@dataclass
class WanBackbone(BackboneSource):
    """Arguments of a released backbone of Wan2.1-1.3B shape.

    Args:
        weights: released, or random to try and time everything without files.
        seed: seed of random weights.
        flavor: sizes of the models; all but wan_1_3b require random weights.
        setting: the equal context budget, or that of the authors (with method=native their own
            rollout).
        budget_latents: context budget in latent frames, the block included; by default that of the
            setting.
        denoising_step_list: timesteps of the denoising passes, before the shift; by default those
            of the release.
        timestep_shift: shift of the noise schedule.
        context_noise: timestep of the clean pass.
        precision: number format of the transformer.
        vae_precision: number format of the VAE.
        long_prompt: refuse or cut a prompt of more tokens than the text encoder takes.
        generator: path of the checkpoint; this and the next four replace fetched files.
        lora: path of the adapter, if the backbone has one.
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
        """Describe the backbone without reading any weights."""
        self._check()
        shape, release = self.flavor.shape, self.release
        random = self.weights is WanWeights.random
        model = shape.transformer.shape(shape.latent_shape, catalogue.ROPE_POSITIONS)
        return BackboneSpec(
            name=release.name,
            geometry=Geometry(
                latent_shape=shape.latent_shape,
                temporal_factor=shape.vae.temporal_factor,
                fps=catalogue.FPS,
                width=shape.width,
                height=shape.height,
            ),
            shape=model,
            sampling=SamplingConfig(
                tuple(self.denoising_step_list), self.timestep_shift, self.context_noise
            ),
            block_latents=release.block_latents,
            budget_latents=self._budget_latents(),
            trained_latents=release.trained_latents,
            precision=self.precision,
            weights=WeightsKind.random if random else WeightsKind.released,
            licence="none (random weights)" if random else release.licence,
            weights_bytes=(
                network_bytes(CausalWanTransformer, self.precision, shape.transformer)
                + network_bytes(WanVAE, self.vae_precision, shape.vae)
            ),
            scratch_bytes=(
                shape.vae.decoder_elements(shape.height, shape.width)
                * self.vae_precision.dtype.itemsize
                + shape.transformer.pass_elements(release.block_latents * model.tokens_per_latent)
                * self.precision.dtype.itemsize
            ),
            official=self.setting is Setting.official,
            long_setting=release.long_setting,
            native_window=release.native_window,
            given=GivenKind.videos,
        )

    def files(self) -> Sequence[LocatedFile]:
        """Return the files of the release; none for random weights."""
        return () if self.weights is WanWeights.random else self._files().located()

    def check_prompt(self, prompt: str) -> None:
        """Refuse a prompt that is too long, where `long_prompt` says so."""
        self._prompts().check(prompt)

    def identity(self) -> dict[str, Any]:
        """Return what changes pixels: files by the digest of their content, not by path."""
        random = self.weights is WanWeights.random
        return (
            asdict(self)
            | dict.fromkeys(_PATHS)
            | {
                "seed": self.seed if random else None,
                "budget_latents": self._budget_latents(),
                "weights_sha256": {} if random else self._files().sha256(),
            }
        )

    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        """Load the text encoder, encode the prompts, free it, then load the other models."""
        spec = self.spec()
        # The text encoder is loaded and freed before anything else is on the device.
        embedded = self._prompts().embed(prompts, device)
        models = Models.empty(self.flavor.shape, self.precision, self.vae_precision)
        if self.weights is WanWeights.random:
            models.fill_randomly(self.seed)
        else:
            models.fill(self.release, self._files())
            if not self._files().are_published():
                spec = replace(spec, weights=WeightsKind.own, licence="not known (own files)")
        models.ready(device)

        def encode_text(prompt: str) -> Tensor:
            if prompt not in embedded:
                raise ConfigError(
                    f"The prompt {prompt!r} was not among the prompts that the backbone was loaded "
                    "with; its text encoder has been freed. Load it with all prompts."
                )
            return embedded[prompt].embedding

        return Backbone(
            spec,
            models.transformer,
            encode_text,
            lambda: WanDecoder(models.vae),
            {prompt: item.num_cut_tokens for prompt, item in embedded.items()},
            models.compile,
            encode_video=models.vae.encode,
        )

    def _check(self) -> None:
        if self.flavor is not Flavor.wan_1_3b and self.weights is not WanWeights.random:
            raise ConfigError(
                f"backbone.flavor={self.flavor} has no released weights; "
                "add backbone.weights=random."
            )
        if self.lora and self.release.lora is None:
            raise ConfigError(f"backbone.lora: {self.release.name} has no LoRA.")
        if self.vae_precision is Precision.fp8:
            raise ConfigError(
                "backbone.vae_precision=fp8: only linear layers are computed in 8 bits, and those "
                "of the VAE are few; use bfloat16."
            )
        self._budget_latents()

    def _budget_latents(self) -> int:
        if self.setting is Setting.official:
            window = self.release.native_window
            if window is None:
                raise ConfigError(
                    f"setting=official: the authors of {self.release.name} roll it out with "
                    f"{self.release.own_rollout}."
                )
            official = window.budget_latents
            if self.budget_latents not in (None, official):
                raise ConfigError(
                    f"budget_latents={self.budget_latents}, but setting=official of "
                    f"{self.release.name} means {official}; leave one of the two out."
                )
            return official
        budget = self.budget_latents
        if budget is None:
            return catalogue.BENCHMARK_BUDGET_LATENTS
        block = self.release.block_latents
        if not block < budget <= _MAX_BUDGET_LATENTS:
            raise ConfigError(
                f"budget_latents={budget} must be more than a block ({block}) and at most "
                f"the {_MAX_BUDGET_LATENTS} latent frames that attention saw in training."
            )
        return budget

    def _files(self) -> ReleasedFiles:
        return ReleasedFiles(self.release, {name: getattr(self, name) for name in _PATHS})

    def _prompts(self) -> Prompts:
        config = self.flavor.shape.text
        if self.weights is WanWeights.random:
            return RandomPrompts(config, self.seed, self.long_prompt)
        files = self._files()
        files.require()
        path = files.path("text_encoder")
        return ReleasedPrompts(config, path, files.tokenizer, self.long_prompt)


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


@dataclass
class RewardForcing(WanBackbone):
    """Reward-Forcing."""

    release: ClassVar[Release] = catalogue.REWARD_FORCING


@dataclass
class RollingForcing(WanBackbone):
    """The weights of Rolling-Forcing, without its sampler."""

    release: ClassVar[Release] = catalogue.ROLLING_FORCING

    denoising_step_list: list[int] = field(
        default_factory=lambda: list(catalogue.ROLLING_FORCING.denoising_steps)
    )


@dataclass
class CausalForcingFramewise(WanBackbone):
    """Causal-Forcing, frame-wise: blocks of one latent frame, EMA weights."""

    release: ClassVar[Release] = catalogue.CAUSAL_FORCING_FRAMEWISE


@dataclass
class FadeMemFT(WanBackbone):
    """FadeMem-FT: the base of LongLive 1 with the LoRA of FadeMem merged."""

    release: ClassVar[Release] = catalogue.FADEMEM_FT
