"""Retrieval by similarity (LongLive-RAG, arXiv 2606.02553): search the model's own past latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError
from methods.base import RolloutSpec
from methods.encoders import ENCODERS
from methods.encoders.base import Source, embed, source_of, trained_on
from methods.encoders.index import DescriptorIndex
from methods.retrieval import Retrieval, Selection

if TYPE_CHECKING:
    from torch import Tensor

    from methods.base import BlockView
    from methods.encoders.base import Encoder


@dataclass
class Rag(Retrieval):
    """The candidates most similar to the newest clean frames, by cosine of their descriptors.

    Args:
        descriptor: which encoder describes a latent frame.
        checkpoint: weights of the encoder, where it has any.
        query_latents: the query is the mean descriptor of this many newest clean frames; the
            released code takes one, the last frame of the previous block.
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
        encoder.prepare(rollout.latent_shape)
        if not self.allow_other_backbone:
            check_backbone(encoder, rollout.backbone)
        self._view: BlockView | None = None
        self._index = DescriptorIndex(rollout.num_latents)

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
        query = self._index.newest(self.query_latents)
        start, stop = candidates[0], candidates[-1] + 1
        return Selection(*self._index.search(query, start, stop, self.memory_latents))

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
        places = self._index.similarities(first_frame, self.query_latents, (*frames, *others))
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
