"""What a backbone is: a cheap description for planning, and the loaded models for a rollout."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import torch

from harness.core.errors import LongtakeError
from methods.base import RolloutSpec

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import Float, UInt8
    from torch import Tensor, nn

    from backbones.engine.sampler import SamplingConfig
    from backbones.wan.transformer import CausalWanTransformer, WanConfig
    from harness.core.weights_files import WeightsFile
    from methods.base import NativeWindow


_MAX_COMPILED = 64


class Precision(StrEnum):
    """Number format of a model."""

    float32 = "float32"
    bfloat16 = "bfloat16"

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of this name."""
        return getattr(torch, self.value)


class WeightsKind(StrEnum):
    """Where weights come from.

    released: the files that their authors published. own: other files in their place. random: drawn
    from a seed, with nothing to see in the videos. embedded: part of this package.
    """

    released = "released"
    own = "own"
    random = "random"
    embedded = "embedded"


@dataclass(frozen=True)
class LocatedFile:
    """A weights file and where it belongs on this machine.

    Attributes:
        role: what it holds: transformer, lora, vae, ...
        path: where it is read from, whether it is there or not.
        source: where it can be fetched; None for files of this package and files the user named.
    """

    role: str
    path: Path
    source: WeightsFile | None


@dataclass(frozen=True)
class Geometry:
    """Shapes of latents and video.

    Attributes:
        latent_shape: (channels, height, width) of one latent frame.
        tokens_per_frame: transformer tokens of one latent frame.
        temporal_factor: video frames per latent frame (the first latent frame gives just one).
        fps: video frames per second.
        width: video width in pixels.
        height: video height in pixels.
    """

    latent_shape: tuple[int, int, int]
    tokens_per_frame: int
    temporal_factor: int
    fps: int
    width: int
    height: int

    @property
    def latents_per_s(self) -> float:
        """Latent frames per second of video."""
        return self.fps / self.temporal_factor

    def num_frames(self, num_latents: int) -> int:
        """Video frames that `num_latents` latent frames decode to."""
        return self.temporal_factor * (num_latents - 1) + 1


@dataclass(frozen=True)
class BackboneSpec:
    """Everything about a backbone that can be known without loading its weights.

    Attributes:
        name: registered name.
        geometry: shapes of latents and video.
        sampling: how a block is denoised.
        block_latents: latent frames denoised together.
        budget_latents: latent frames attention may see, the block included.
        trained_latents: longest span of latent frames seen in training.
        rope_positions: size of the temporal RoPE table.
        precision: number format of the transformer.
        weights: where the weights come from.
        licence: licence of the weights.
        weights_bytes: device memory of all loaded models.
        kv_bytes_per_latent: keys and values of one latent frame over all layers.
        official: this is the setting of the backbone's authors, not the equal-budget one.
        long_setting: the authors have a setting for videos longer than the training clips.
        native_window: the window of the authors; None if there is none.
    """

    name: str
    geometry: Geometry
    sampling: SamplingConfig
    block_latents: int
    budget_latents: int
    trained_latents: int
    rope_positions: int
    precision: Precision
    weights: WeightsKind
    licence: str
    weights_bytes: int
    kv_bytes_per_latent: int
    official: bool = False
    long_setting: bool = False
    native_window: NativeWindow | None = None

    def num_latents(self, duration_s: float) -> int:
        """Latent frames of a duration.

        Raises:
            LongtakeError: the duration is not a whole number of blocks.
        """
        block_s = self.block_latents / self.geometry.latents_per_s
        num_blocks = round(duration_s / block_s) if math.isfinite(duration_s) else 0
        if num_blocks < 1 or abs(num_blocks * block_s - duration_s) > 1e-9 * block_s:
            below = num_blocks * block_s - (block_s if num_blocks * block_s > duration_s else 0)
            near = [f"{s:g}" for s in (below, below + block_s) if s > 0]
            raise LongtakeError(
                f"duration={duration_s:g} s is not a whole number of blocks of {block_s:g} s "
                f"({self.block_latents} latents of {self.name}); nearest: {' or '.join(near)}."
            )
        return num_blocks * self.block_latents

    def rollout(self, num_latents: int, seed: int) -> RolloutSpec:
        """What a memory strategy is told of a rollout on this backbone."""
        return RolloutSpec(
            num_latents=num_latents,
            block_latents=self.block_latents,
            budget_latents=self.budget_latents,
            trained_latents=self.trained_latents,
            rope_positions=self.rope_positions,
            latent_shape=self.geometry.latent_shape,
            seed=seed,
            native_window=self.native_window,
            backbone=self.name,
        )


def parameter_bytes(module: nn.Module, precision: Precision) -> int:
    """Bytes of all parameters of a module in a number format; it may be on the meta device."""
    return sum(p.numel() for p in module.parameters()) * precision.dtype.itemsize


def kv_bytes_per_latent(config: WanConfig, tokens_per_frame: int, precision: Precision) -> int:
    """Bytes of the keys and values of one latent frame over all layers."""
    return 2 * config.num_layers * config.dim * tokens_per_frame * precision.dtype.itemsize


class StreamingDecoder(Protocol):
    """Decodes one video chunk by chunk; the chunks together are the frames of a single pass."""

    def decode(
        self, latents: Float[Tensor, "latent chan height width"]
    ) -> UInt8[Tensor, "frame height width 3"]:
        """RGB frames of the next latent frames."""


def _stays_as_it_is(compiled: bool) -> None:
    """For a VAE so small that compiling it gains nothing."""


@dataclass(frozen=True)
class Backbone:
    """A loaded backbone.

    Attributes:
        spec: its description.
        transformer: the flow model.
        encode_text: prompt to text embedding of shape (token, text_dim).
        start_decoder: begins decoding a new video.
        cut_tokens: tokens cut off each prompt that was longer than the text encoder takes.
        compile_vae: makes decoding run compiled, or as it is.
    """

    spec: BackboneSpec
    transformer: CausalWanTransformer
    encode_text: Callable[[str], Float[Tensor, "token text_dim"]]
    start_decoder: Callable[[], StreamingDecoder]
    cut_tokens: Mapping[str, int] = field(default_factory=dict)
    compile_vae: Callable[[bool], None] = _stays_as_it_is

    def compile(self, compiled: bool) -> None:
        """Run all models compiled, or as they are; compilation happens at their first use."""
        if compiled:
            # Every budget, shape and number format is compiled for itself.
            torch._dynamo.config.recompile_limit = _MAX_COMPILED
        self.transformer.compile_layers(compiled)
        self.compile_vae(compiled)

    @property
    def device(self) -> torch.device:
        """Where the transformer lives."""
        return self.transformer.patch_embedding.weight.device


class BackboneSource(Protocol):
    """A registered backbone: a dataclass whose fields are its arguments."""

    def spec(self) -> BackboneSpec:
        """Describe without loading or reading any weights.

        Raises:
            LongtakeError: an argument is wrong.
        """

    def files(self) -> Sequence[LocatedFile]:
        """The weights files that `load` reads, whether they are there or not."""

    def check_prompt(self, prompt: str) -> None:
        """Refuse a prompt this backbone can't take.

        Raises:
            LongtakeError: what is wrong with it.
        """

    def identity(self) -> dict[str, Any]:
        """Everything about the backbone that changes pixels, as JSON.

        Raises:
            LongtakeError: weights are missing (with the way to get them).
        """

    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        """Load all models onto `device`.

        Args:
            device: where the models will live.
            prompts: every text that `Backbone.encode_text` will be asked for. A large text encoder
                is done with them and freed before the transformer is loaded.

        Raises:
            LongtakeError: a weights file is truncated or of another layout.
        """
