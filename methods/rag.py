"""Retrieval by similarity (LongLive-RAG, arXiv 2606.02553): search the model's own past latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError
from methods.base import RolloutSpec
from methods.encoders import ENCODERS
from methods.encoders.base import (
    EmbedsPrompts,
    Source,
    embed,
    embed_prompt,
    source_of,
    trained_on,
)
from methods.encoders.index import DescriptorIndex
from methods.retrieval import Retrieval, Selection

if TYPE_CHECKING:
    from torch import Tensor

    from methods.base import BlockView
    from methods.encoders.base import Encoder


@dataclass
class Rag(Retrieval):
    """The candidates most similar to the newest clean frames, by cosine of their descriptors.

    With a descriptor that embeds prompts: those most similar to the prompt of the block to come.

    Args:
        descriptor: which encoder describes a latent frame.
        checkpoint: weights of the encoder, where it has any.
        query_latents: the query is the mean descriptor of this many newest clean frames; the
            released code takes one, the last frame of the previous block. Must be 1 where the query
            is the prompt.
        allow_other_backbone: use an encoder on a backbone it was not trained for.
    """

    descriptor: str = "avg_pool"
    checkpoint: str | None = None
    query_latents: int = 1
    allow_other_backbone: bool = False

    def reset(self, rollout: RolloutSpec) -> None:
        super().reset(rollout)
        if self.query_latents < 1:
            raise ConfigError(f"query_latents must be at least 1, got {self.query_latents}.")
        encoder = self._load_encoder()
        if isinstance(encoder, EmbedsPrompts) and self.query_latents > 1:
            raise ConfigError(
                f"descriptor={self.descriptor} searches by the prompt, not by the newest frames; "
                f"leave query_latents={self.query_latents} out."
            )
        encoder.prepare(rollout.latent_shape)
        if not self.allow_other_backbone:
            check_backbone(encoder, rollout.backbone)
        self._view: BlockView | None = None
        self._index = DescriptorIndex(rollout.num_latents)
        self._prompts: dict[int, str] = {}  # of the blocks that were planned
        self._embedded: dict[str, Tensor] = {}

    @property
    def needs_model(self) -> bool:
        return source_of(self._load_encoder()) is not Source.latents

    def attach(self, view: BlockView) -> None:
        self._view = view

    def identity(self) -> dict[str, Any]:
        """Return the encoder and its weights, in place of their name and path."""
        return {
            "descriptor": ENCODERS.identity(self._encoder_name),
            "checkpoint": self._load_encoder().fingerprint(),
        }

    def observe(self, latents: Tensor, first_frame: int) -> None:
        assert first_frame == len(self._index), "frames are observed in order, once"
        source = source_of(self._encoder)
        self._index.add(embed(self._encoder, self._inputs(source, latents)))

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        """Return the most similar candidates; equal similarities go to the older frame."""
        query, start, stop = self.query(first_frame), candidates[0], candidates[-1] + 1
        return Selection(*self._index.search(query, start, stop, self.memory_latents))

    def query(self, first_frame: int) -> Tensor:
        """Return the unit vector (dim,) that the candidates of a block are compared with.

        Args:
            first_frame: first latent frame of the block; later ones may have been observed.
        """
        if not isinstance(self._encoder, EmbedsPrompts):
            return self._index.mean(max(0, first_frame - self.query_latents), first_frame)
        assert self._view is not None, "descriptors of prompts need the view of the engine"
        if first_frame not in self._prompts:
            self._prompts[first_frame] = self._view.segment().prompt
        prompt = self._prompts[first_frame]
        if prompt not in self._embedded:
            self._embedded[prompt] = embed_prompt(self._encoder, self._view)
        return self._embedded[prompt]

    def tied(
        self, first_frame: int, frames: Sequence[int], others: Sequence[int], tolerance: float
    ) -> bool:
        """Return whether two selections for a block differ in near equal similarities only.

        Args:
            first_frame: first latent frame of the block; later ones may have been observed.
            frames: one selection, in order.
            others: the other one, in order.
            tolerance: largest difference of the similarities at each place.
        """
        candidates = self.candidates(first_frame)
        if len(frames) != len(others) or len(set(others)) != len(others):
            return False
        if not all(frame in candidates for frame in (*frames, *others)):
            return False
        places = self._index.similarities(self.query(first_frame), (*frames, *others))
        differences = places[: len(frames)] - places[len(frames) :]
        return bool((differences.abs() <= tolerance).all())

    def _inputs(self, source: Source, latents: Tensor) -> Tensor:
        if source is Source.latents:
            return latents
        assert self._view is not None, f"source={source} needs the view that the engine attaches"
        return self._view.mean_keys() if source is Source.keys else self._view.frames()

    @property
    def _encoder_name(self) -> str:
        # The default is the built-in encoder, whatever else has its name.
        default = self.descriptor == Rag.descriptor
        return ENCODERS.own_name(self.descriptor) if default else self.descriptor

    def _load_encoder(self) -> Encoder:
        if not hasattr(self, "_encoder"):
            self._encoder: Encoder = ENCODERS.load(self._encoder_name)(self.checkpoint)
        return self._encoder


def check_backbone(encoder: Encoder, backbone: str) -> None:
    """Raise an error if the encoder was trained for backbones of other names.

    The digest of the weights in a fingerprint is not compared: other weights under the same name
    (random or your own) are accepted.

    Raises:
        ConfigError: names both, and the setting that allows it.
    """
    known = trained_on(encoder)
    names = {fingerprint.partition("@")[0] for fingerprint in known}
    if known and backbone and backbone not in names:
        raise ConfigError(
            f"The encoder was trained on latents of {', '.join(known)}; this backbone is "
            f"{backbone}. Train one for it (python -m harness train-encoder), or allow it with "
            "method.allow_other_backbone=true."
        )
