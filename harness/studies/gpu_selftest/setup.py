"""Parts that the checks share: the device, seeded models of its size, and rollouts of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

from backbones.engine.block import Block
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.engine.runtime import Runtime
from backbones.engine.spec import Precision
from backbones.wan import transformer
from backbones.wan.backbone import Flavor, SelfForcing, WanWeights
from backbones.wan.vae import model as vae_model
from harness.run.video_pipeline import NoWriter, VideoPipeline
from methods.rag import Rag
from methods.sliding_window import SlidingWindow

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from backbones.engine.backbone import Backbone
    from methods.base import ContextPlan, MemoryStrategy

PROMPT = "a quiet street at dusk with a red lantern"
CPU = torch.device("cpu")
_SEED = 0


class KeptFrames:
    """A writer of a `VideoPipeline` that keeps the frames in memory."""

    def __init__(self) -> None:
        self.parts: list[Tensor] = []

    def write(self, frames_FHWC: np.ndarray) -> None:
        """Keep a copy of the frames."""
        self.parts.append(torch.from_numpy(frames_FHWC.copy()))

    @property
    def frames(self) -> Tensor:
        """All frames so far."""
        return torch.cat(self.parts)


@dataclass(frozen=True)
class Made:
    """Latents, plans and frames of a rollout, on the CPU.

    Attributes:
        latents: clean latents.
        plans: the context of each block.
        frames: RGB frames; None if nothing was decoded.
        blocks: the blocks, for their timings.
        rollout: the rollout itself.
    """

    latents: Tensor
    plans: tuple[ContextPlan, ...]
    frames: Tensor | None
    blocks: tuple[Block, ...]
    rollout: Rollout

    def same_as(self, other: Made) -> bool:
        """Tell if latents, plans and frames are the same, bit for bit."""
        same = torch.equal(self.latents, other.latents) and self.plans == other.plans
        if self.frames is None or other.frames is None:
            return same
        return same and torch.equal(self.frames, other.frames)


@dataclass(frozen=True)
class Setup:
    """The device under test, and models of a size that fits it.

    Attributes:
        device: where the checks compute.
        folder: scratch folder, removed at the end.
        trace: where to write the profile; by default into the scratch folder.
    """

    device: torch.device
    folder: Path
    trace: Path | None = None
    _loaded: dict[tuple[Flavor, Precision], Backbone] = field(default_factory=dict, repr=False)

    @property
    def on_gpu(self) -> bool:
        """Tell if the device is a GPU, where speed and memory are judged as well."""
        return self.device.type == "cuda"

    @property
    def flavor(self) -> Flavor:
        """Sizes of the models: all shapes of the full model on a GPU, small ones elsewhere."""
        return Flavor.thin if self.on_gpu else Flavor.debug

    @property
    def num_latents(self) -> int:
        """Latent frames of a rollout that is just long enough for retrieval on the CPU."""
        return 24 if self.on_gpu else 18

    @property
    def precision(self) -> Precision:
        """Number format of the models; CPUs are slow in bfloat16."""
        return Precision.bfloat16 if self.on_gpu else Precision.float32

    @property
    def backend(self) -> str:
        """Name of the compiler: Inductor on a GPU; elsewhere tracing alone, as it takes minutes."""
        return "inductor" if self.on_gpu else "aot_eager"

    def backbone(
        self,
        flavor: Flavor | None = None,
        precision: Precision | None = None,
        device: torch.device | None = None,
    ) -> Backbone:
        """Return a backbone with seeded random weights.

        Args:
            flavor: its sizes; those of `flavor` if not given. It is kept for the next check.
            precision: number format of transformer and VAE; that of `precision` if not given.
            device: another device than that under test; such a backbone is not kept.
        """
        flavor, precision = flavor or self.flavor, precision or self.precision
        key = (flavor, precision)
        if device is None and key in self._loaded:
            return self._loaded[key]
        source = SelfForcing(
            weights=WanWeights.random,
            flavor=flavor,
            precision=precision,
            vae_precision=Precision.bfloat16 if precision is Precision.fp8 else precision,
            denoising_step_list=[1000, 500] if flavor is Flavor.debug else [1000, 750, 500, 250],
        )
        loaded = source.load(device or self.device, [PROMPT])
        if device is None:
            self._loaded[key] = loaded
        return loaded

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Let `torch.compile` use the backend of this setup, from an empty cache."""

        def forget() -> None:
            transformer._compiled.cache_clear()
            vae_model._compiled_decoder.cache_clear()
            torch._dynamo.reset()

        forget()
        compile_here = partial(torch.compile, backend=self.backend)
        try:
            with mock.patch.object(torch, "compile", compile_here):
                yield
        finally:
            forget()

    def roll_out(
        self,
        strategy: MemoryStrategy,
        runtime: Runtime | None = None,
        *,
        backbone: Backbone | None = None,
        num_latents: int | None = None,
        decode: bool = False,
        keep_frames: bool = True,
        made: Tensor | None = None,
        seed: int = _SEED,
        on_block: Callable[[int], object] = lambda _: None,
    ) -> Made:
        """Make a video.

        Args:
            strategy: chooses the contexts.
            runtime: settings of the computation.
            backbone: the models; by default those of `backbone()`.
            num_latents: its length.
            decode: also decode it, beside the rollout.
            keep_frames: return the frames, else drop them as they come.
            made: saved latents of the first blocks.
            seed: seed of all noise.
            on_block: called with the number of each block once it is queued.
        """
        backbone = backbone or self.backbone()
        length = num_latents or self.num_latents
        noise = SeededNoise(seed, PROMPT)
        rollout = Rollout(backbone, strategy, PROMPT, noise, length, seed, runtime)
        blocks: list[Block] = []
        kept = KeptFrames()
        writer = kept if keep_frames else NoWriter()
        decoder = backbone.start_decoder()
        if decode:
            with VideoPipeline(decoder, writer, backbone.device) as video:
                for block in rollout.blocks(made):
                    blocks.append(block)
                    video.push(block.latents)
                    on_block(block.index)
        else:
            for block in rollout.blocks(made):
                blocks.append(block)
                on_block(block.index)
        latents = torch.cat([block.latents for block in blocks]).cpu()
        plans = tuple(block.plan for block in blocks)
        return Made(latents, plans, kept.frames if kept.parts else None, tuple(blocks), rollout)


def retrieval(**arguments: Any) -> Rag:
    """Return a strategy that retrieves early: the newest evicted frames are candidates too."""
    return Rag(recent_exclude_latents=0, **arguments)


def window() -> SlidingWindow:
    """Return the sliding window."""
    return SlidingWindow()


def relative(found: Tensor, expected: Tensor) -> float:
    """Return the length of a difference in units of what is expected; NaN stays NaN."""
    expected = expected.detach().double().cpu()
    difference = found.detach().double().cpu() - expected
    return float(difference.norm() / expected.norm())


def median_of(values: Sequence[float]) -> float:
    """Return the median."""
    return sorted(values)[len(values) // 2]
