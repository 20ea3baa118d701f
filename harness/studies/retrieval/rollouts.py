"""The rollouts of a corpus as videos for the retrieval benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbones.world.street.script import FRAMES_PER_LATENT
from harness.core.errors import ConfigError
from harness.studies.retrieval.embedding import embedded_backbone
from harness.studies.retrieval.videos import RetrievalVideo
from methods.encoders.corpus import Corpus

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone


def corpus_videos(corpus: Corpus) -> list[RetrievalVideo]:
    """Decode the rollouts of a corpus; they have no ground truth.

    Raises:
        ConfigError: latents of a backbone that is not embedded.
    """
    decoders: dict[str, Backbone] = {}
    videos = []
    for position, sample in enumerate(corpus.index.samples):
        if sample.backbone not in decoders:
            backbone = embedded_backbone(sample.backbone)
            if backbone is None:
                raise ConfigError(
                    "The benchmark decodes latents of the embedded backbones; this corpus has some "
                    f"of {sample.backbone}."
                )
            decoders[sample.backbone] = backbone
        latents = corpus.read(position)
        frames = decoders[sample.backbone].start_decoder().decode(latents)
        videos.append(
            RetrievalVideo(
                name=f"rollout {sample.name} {sample.backbone.partition(' ')[0]} {sample.prompt}",
                kind="rollouts",
                latents_NCHW=latents,
                frames_NHWC=frames[::FRAMES_PER_LATENT].numpy(),
                prompt=sample.prompt,
                backbone=sample.backbone,
            )
        )
    return videos
