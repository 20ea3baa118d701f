"""The rollout engine: block by block, plan, gather, denoise, clean pass.

One plan serves all passes of a block. Between blocks the state of a rollout is nothing but the
clean latents made so far: replaying them through clean passes rebuilds keys, values and the
strategy's memory bit for bit, which is how an interrupted unit goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from backbones.kv_store import KVStore
from backbones.threads import one_thread
from backbones.wan.rope import Rope

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from backbones.noise import NoiseSource
    from backbones.spec import Backbone
    from methods.base import ContextPlan, MemoryStrategy


@dataclass(frozen=True)
class BlockTimings:
    """Wall time of the parts of one block, in seconds."""

    plan_s: float
    gather_s: float
    denoise_s: float
    clean_pass_s: float

    @property
    def total_s(self) -> float:
        """All parts together."""
        return self.plan_s + self.gather_s + self.denoise_s + self.clean_pass_s


@dataclass(frozen=True)
class Block:
    """One finished block.

    Attributes:
        index: 0 for the first block of the video.
        first_frame: number of its first latent frame.
        latents: its clean latents, float32, on the CPU.
        plan: the context it was made with.
        timings: where the time went.
        replayed: it was rebuilt from saved latents, not denoised.
    """

    index: int
    first_frame: int
    latents: Float[Tensor, "frame chan height width"]
    plan: ContextPlan
    timings: BlockTimings
    replayed: bool


class Rollout:
    """Rolls out one video.

    Args:
        backbone: the loaded models.
        strategy: chooses the context of every block.
        prompt: generation prompt.
        noise: where all noise comes from.
        num_latents: latent frames to make, a whole number of blocks.
        seed: seed of the unit, passed on to the strategy.
    """

    def __init__(
        self,
        backbone: Backbone,
        strategy: MemoryStrategy,
        prompt: str,
        noise: NoiseSource,
        num_latents: int,
        seed: int,
    ) -> None:
        spec = backbone.spec
        assert num_latents % spec.block_latents == 0
        self._backbone = backbone
        self._strategy = strategy
        self._noise = noise
        self._spec = spec.rollout(num_latents, seed)
        transformer = backbone.transformer
        weight = transformer.patch_embedding.weight
        self._device, self._dtype = weight.device, weight.dtype
        config = transformer.config
        _, height, width = spec.geometry.latent_shape
        rope = Rope(
            config.head_dim,
            height // config.patch_size[1],
            width // config.patch_size[2],
            spec.rope_positions,
            self._device,
        )
        self._store = KVStore(
            config,
            spec.geometry.tokens_per_frame,
            spec.block_latents,
            spec.budget_latents,
            rope,
            self._dtype,
            self._device,
        )
        # The few tokens of a prompt are multiplied differently by one thread and by two. Nothing
        # else in a rollout is, so videos don't depend on the number of threads.
        with torch.inference_mode(), one_thread():
            text = backbone.encode_text(prompt).to(self._device, self._dtype)
            self._text = transformer.text_context(text)

    def blocks(
        self, made: Float[Tensor, "frame chan height width"] | None = None
    ) -> Iterator[Block]:
        """Make the video block by block.

        Args:
            made: clean latents of the first blocks, from an earlier run; they are replayed, not
                made anew.

        Raises:
            LongtakeError: the strategy refuses the rollout, or its plan can't be carried out.
        """
        self._strategy.reset(self._spec)
        size = self._spec.block_latents
        num_made = 0 if made is None else len(made)
        assert num_made % size == 0
        for first_frame in range(0, self._spec.num_latents, size):
            replayed = first_frame < num_made
            given = (
                made[first_frame : first_frame + size] if made is not None and replayed else None
            )
            yield self._make_block(first_frame, given)

    @torch.inference_mode()
    def _make_block(self, first_frame: int, given: Tensor | None) -> Block:
        clock = _Clock(self._device)
        plan = self._strategy.plan(first_frame)
        plan.check(first_frame, self._spec)
        plan_s = clock.lap()
        context = self._store.gather(plan)
        gather_s = clock.lap()
        index = first_frame // self._spec.block_latents
        sampling = self._backbone.spec.sampling
        transformer = self._backbone.transformer
        if given is None:
            shape = (self._spec.block_latents, *self._spec.latent_shape)
            latents = self._noise.draw(index, 0, shape).to(self._device)
            for step, sigma in enumerate(sampling.sigmas):
                if step > 0:
                    noise = self._noise.draw(index, step, shape).to(self._device)
                    latents = (1 - sigma) * latents + sigma * noise
                noisy = latents.to(self._dtype)
                flow = transformer(noisy, sigma * 1000, context, self._text)
                latents = latents - sigma * flow.float()
        else:
            latents = given.to(self._device)
        denoise_s = clock.lap()
        transformer(
            latents.to(self._dtype),
            float(sampling.context_noise),
            context,
            self._text,
            self._store.new_kv_LPHSD,
        )
        self._store.append_block()
        self._strategy.observe(latents, first_frame)
        clean_pass_s = clock.lap()
        timings = BlockTimings(plan_s, gather_s, denoise_s, clean_pass_s)
        return Block(index, first_frame, latents.cpu(), plan, timings, given is not None)


class _Clock:
    """Lap times that wait for the device, so that work is charged to the part that asked for it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._last = time.perf_counter()

    def lap(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        elapsed, self._last = now - self._last, now
        return elapsed
