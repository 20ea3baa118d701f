"""Retrieval by similarity (LongLive-RAG, arXiv 2606.02553): search the model's own past latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from harness.errors import LongtakeError
from methods.base import RolloutSpec
from methods.encoder import ENCODERS
from methods.retrieval import Retrieval, Selection

if TYPE_CHECKING:
    from torch import Tensor

    from methods.encoder.base import Encoder


@dataclass
class Rag(Retrieval):
    """The candidates most similar to the newest clean frames, by cosine of their descriptors.

    Args:
        descriptor: which encoder describes a latent frame.
        checkpoint: weights of the encoder, where it has any.
        query_latents: the query is the mean descriptor of this many newest clean frames; the
            released code takes one, the last frame of the previous block.
    """

    descriptor: str = "avg_pool"
    checkpoint: str | None = None
    query_latents: int = 1

    def reset(self, rollout: RolloutSpec) -> None:
        """See MemoryStrategy.reset."""
        super().reset(rollout)
        if self.query_latents < 1:
            raise LongtakeError(f"query_latents must be at least 1, got {self.query_latents}.")
        self._load_encoder().prepare(rollout.latent_shape)
        self._descriptors: list[Tensor] = []  # one per latent frame, in order

    def identity(self) -> dict[str, str]:
        """The encoder and its weights take the place of their name and path."""
        return {
            "descriptor": ENCODERS.target(self.descriptor),
            "descriptor_source_sha256": ENCODERS.source_sha256(self.descriptor) or "",
            "checkpoint": self._load_encoder().fingerprint(),
        }

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """See MemoryStrategy.observe."""
        assert first_frame == len(self._descriptors), "frames are observed in order, once"
        self._descriptors.extend(self._encoder.embed(latents))

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        """See Retrieval.select. Equal similarities go to the older frame."""
        newest = torch.stack(self._descriptors[-self.query_latents :])
        query = F.normalize(newest.mean(0), dim=-1)
        pool = torch.stack([self._descriptors[frame] for frame in candidates])
        similarities = (pool @ query).cpu()
        order = similarities.argsort(descending=True, stable=True)[: self.memory_latents].tolist()
        return Selection(
            tuple(candidates[index] for index in order),
            tuple(float(similarities[index]) for index in order),
        )

    def _load_encoder(self) -> Encoder:
        if not hasattr(self, "_encoder"):
            self._encoder: Encoder = ENCODERS.load(self.descriptor)(self.checkpoint)
        return self._encoder
