"""Noise that depends only on the seed, the prompt, the block and the step.

Every draw has its own generator. Methods and backbones of one latent shape therefore see the same
noise (results are paired), a shorter video is a prefix of a longer one, and resuming changes
nothing.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor


class NoiseSource(Protocol):
    """Source of all noise of a rollout."""

    def draw(
        self, block: int, step: int, shape: tuple[int, int, int, int]
    ) -> Float[Tensor, "frame chan height width"]:
        """Return standard normal noise.

        Args:
            block: index of the block.
            step: 0 for the noise that a block starts from, i > 0 for what is added after pass i.
            shape: shape of a block.
        """


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
        """Draw on the CPU in float32, so that the noise is the same for every device."""
        digest = hashlib.sha256(f"{self._key}\n{block}\n{step}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        return torch.randn(shape, generator=generator)
