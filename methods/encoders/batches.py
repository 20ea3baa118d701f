"""Training batches: chunks of consecutive latents, drawn from the seed and the step only.

A resumed run therefore sees the same batches as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from harness.core.errors import ConfigError

if TYPE_CHECKING:
    from methods.encoders.corpus import Corpus


@dataclass(frozen=True)
class Split:
    """Positions of the samples to train on and to validate on."""

    train: tuple[int, ...]
    validation: tuple[int, ...]


def split_corpus(corpus: Corpus, share: float, chunk_latents: int) -> Split:
    """Hold out whole prompts, so that no prompt is in both parts, whatever the backbone.

    The choice depends on the prompts only: a corpus that grows keeps its held-out prompts.

    Raises:
        ConfigError: fewer than two prompts, or samples shorter than a chunk.
    """
    samples = corpus.index.samples
    if short := [sample for sample in samples if sample.num_latents < chunk_latents]:
        raise ConfigError(
            f"Sample {short[0].name} of the corpus has {short[0].num_latents} latent frames; a "
            f"chunk needs {chunk_latents}."
        )
    prompts = sorted({sample.prompt for sample in samples}, key=_shuffled)
    if len(prompts) < 2:
        raise ConfigError(
            "The corpus has one prompt only; training needs another one to validate on."
        )
    held_out = set(prompts[: min(max(1, round(share * len(prompts))), len(prompts) - 1)])
    positions = range(len(samples))
    return Split(
        tuple(p for p in positions if samples[p].prompt not in held_out),
        tuple(p for p in positions if samples[p].prompt in held_out),
    )


def _shuffled(prompt: str) -> str:
    return hashlib.sha256(prompt.encode()).hexdigest()


def draw_batch(
    corpus: Corpus, positions: tuple[int, ...], size: int, chunk_latents: int, key: str
) -> Float[Tensor, "chunk frame chan height width"]:
    """Draw `size` chunks at random places of random samples, determined by `key`."""
    draw = random.Random(key)
    chunks = []
    for _ in range(size):
        position = positions[draw.randrange(len(positions))]
        room = corpus.index.samples[position].num_latents - chunk_latents
        start = draw.randrange(room + 1)
        chunks.append(corpus.read(position, start, start + chunk_latents))
    return torch.stack(chunks)
