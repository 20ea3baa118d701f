"""Description of a backbone, known without loading its weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from backbones.engine.script import Schedule
from backbones.engine.weights import unfilled
from harness.core.errors import ConfigError
from methods.base import RolloutSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from backbones.engine.protocol import ModelShape
    from backbones.engine.sampler import SamplingConfig
    from backbones.engine.script import Script
    from methods.base import NativeWindow


class Precision(StrEnum):
    """Number format of a model.

    fp8: bfloat16, with the products of a transformer's linear layers in 8 bits; see `fp8`.
    """

    float32 = "float32"
    bfloat16 = "bfloat16"
    fp8 = "fp8"

    @property
    def dtype(self) -> torch.dtype:
        """Return the torch type of what is loaded, of activations, and of keys and values."""
        return torch.float32 if self is Precision.float32 else torch.bfloat16


class WeightsKind(StrEnum):
    """Origin of weights.

    released: the files that their authors published. own: other files in their place. random: drawn
    from a seed, with nothing to see in the videos. embedded: part of the backbone's package.
    """

    released = "released"
    own = "own"
    random = "random"
    embedded = "embedded"


class GivenKind(StrEnum):
    """The given beginnings that a backbone can continue.

    none: it makes whole videos. latents: it has no encoder. videos: and latents.
    """

    none = "none"
    latents = "latents"
    videos = "videos"


@dataclass(frozen=True)
class Geometry:
    """Shapes of latents and video.

    Attributes:
        latent_shape: (channels, height, width) of one latent frame.
        temporal_factor: video frames per latent frame (the first latent frame gives just one).
        fps: video frames per second.
        width: video width in pixels.
        height: video height in pixels.
    """

    latent_shape: tuple[int, int, int]
    temporal_factor: int
    fps: int
    width: int
    height: int

    @property
    def latents_per_s(self) -> float:
        """Return the latent frames of a second of video."""
        return self.fps / self.temporal_factor

    def num_frames(self, num_latents: int) -> int:
        """Return the number of video frames that `num_latents` latent frames decode to."""
        return self.temporal_factor * (num_latents - 1) + 1


@dataclass(frozen=True)
class BackboneSpec:
    """Properties of a backbone that planning needs before any weights are loaded.

    Attributes:
        name: registered name.
        geometry: shapes of latents and video.
        shape: sizes of the transformer.
        sampling: how a block is denoised.
        block_latents: latent frames denoised together.
        budget_latents: latent frames attention may see, the block included.
        trained_latents: longest span of latent frames seen in training.
        precision: number format of the transformer.
        weights: where the weights come from.
        licence: licence of the weights.
        weights_bytes: device memory of all loaded models; see `network_bytes`.
        scratch_bytes: device memory that passes and decoder take while they compute; 0 where it is
            little.
        official: this is the setting of the backbone's authors, not the equal-budget one.
        long_setting: the authors have a setting for videos longer than the training clips.
        native_window: the window of the authors; None if there is none.
        given: beginnings that it can continue.
    """

    name: str
    geometry: Geometry
    shape: ModelShape
    sampling: SamplingConfig
    block_latents: int
    budget_latents: int
    trained_latents: int
    precision: Precision
    weights: WeightsKind
    licence: str
    weights_bytes: int
    scratch_bytes: int = 0
    official: bool = False
    long_setting: bool = False
    native_window: NativeWindow | None = None
    given: GivenKind = GivenKind.latents

    @property
    def kv_bytes_per_latent(self) -> int:
        """Return the bytes of the keys and values of one latent frame over all layers."""
        return self.shape.kv_bytes(1, self.precision.dtype)

    @property
    def context_bytes(self) -> int:
        """Return the bytes of one gathered context and of what a clean pass hands over."""
        return self.shape.kv_bytes(self.budget_latents + self.block_latents, self.precision.dtype)

    def num_latents(self, duration_s: float) -> int:
        """Return the latent frames of a duration.

        Raises:
            ConfigError: the duration is not a whole number of blocks.
        """
        block_s = self.block_latents / self.geometry.latents_per_s
        num_blocks = round(duration_s / block_s) if math.isfinite(duration_s) else 0
        if num_blocks < 1 or abs(num_blocks * block_s - duration_s) > 1e-9 * block_s:
            below = num_blocks * block_s - (block_s if num_blocks * block_s > duration_s else 0)
            near = [f"{s:g}" for s in (below, below + block_s) if s > 0]
            raise ConfigError(
                f"duration={duration_s:g} s is not a whole number of blocks of {block_s:g} s "
                f"({self.block_latents} latents of {self.name}); nearest: {' or '.join(near)}."
            )
        return num_blocks * self.block_latents

    def schedule(self, prompt: Script | str) -> Schedule:
        """Return the segments of a script, or of a single prompt, in latent frames.

        Raises:
            ConfigError: a segment within which no block begins.
        """
        return Schedule.of(prompt, self.geometry.latents_per_s, self.block_latents)

    def rollouts(self, prompt: Script | str, num_latents: int, seed: int) -> list[RolloutSpec]:
        """Return the rollouts that a strategy knows: one, or with `flush` one for each segment.

        Raises:
            ConfigError: a segment within which no block begins.
        """
        parts = self.schedule(prompt).parts(num_latents)
        return [self.rollout(len(part), seed, part.start) for part in parts]

    def rollout(self, num_latents: int, seed: int, start_latent: int = 0) -> RolloutSpec:
        """Return what a memory strategy learns of a rollout on this backbone."""
        return RolloutSpec(
            num_latents=num_latents,
            block_latents=self.block_latents,
            budget_latents=self.budget_latents,
            trained_latents=self.trained_latents,
            rope_positions=self.shape.rotary.num_positions,
            latent_shape=self.geometry.latent_shape,
            seed=seed,
            native_window=self.native_window,
            backbone=self.name,
            layers=self.shape.layers,
            heads=self.shape.heads,
            start_latent=start_latent,
        )


@cache
def network_bytes(kind: Callable[..., nn.Module], precision: Precision, *args: Any) -> int:
    """Return the bytes of a network's parameters in a number format, without allocating them.

    In fp8 what loading takes; some of it is freed once the linear layers are in 8 bits.

    Args:
        kind: class of the network.
        precision: number format of its parameters.
        args: what the class is built with; hashable.
    """
    with unfilled():
        network = kind(*args)
    return sum(p.numel() for p in network.parameters()) * precision.dtype.itemsize
