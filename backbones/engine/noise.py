"""Noise that depends on the seed, the prompt, the block and the step alone.

Every draw has its own generator, so methods and backbones of one latent shape see the same noise
(results are paired), a shorter video is a prefix of a longer one, and resuming changes nothing.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor


class NoiseSource(Protocol):
    """Where a rollout takes its noise from."""

    def draw(
        self, block: int, step: int, shape: tuple[int, int, int, int]
    ) -> Float[Tensor, "frame chan height width"]:
        """Standard normal noise: step 0 starts the block, step i > 0 re-noises after pass i."""


class SeededNoise:
    """The noise of one unit.

    Args:
        seed: seed of the unit.
        prompt: generation prompt of the unit.
    """

    def __init__(self, seed: int, prompt: str) -> None:
        self._key = f"{seed}\n{prompt}"

    def draw(
        self, block: int, step: int, shape: tuple[int, int, int, int]
    ) -> Float[Tensor, "frame chan height width"]:
        """See NoiseSource.draw. Drawn on the CPU in float32, whatever the device of the rollout."""
        digest = hashlib.sha256(f"{self._key}\n{block}\n{step}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        return torch.randn(shape, generator=generator)
