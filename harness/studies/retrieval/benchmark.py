"""The retrieval benchmark: encoders, random and an oracle search the same videos.

Queries and candidates are those of a rollout: at every block the newest clean frame asks, and what
left the window, less the recency guard, may answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from backbones.engine.backbone import Backbone
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from eval.retrieval.metrics import (
    ORACLE,
    RANDOM,
    Query,
    QueryResult,
    Searched,
    measure,
    oracle_frames,
    random_frames,
    search,
)
from harness.config.sweep import load_sweep
from harness.core.errors import LongtakeError
from harness.store.units import build_backbone
from harness.studies.retrieval.videos import RetrievalVideo
from methods.encoders import ENCODERS
from methods.encoders.base import Source, source_of, trained_on
from methods.encoders.checkpoint import shipped_encoders
from methods.retrieval import Retrieval
from methods.sliding_window import SlidingWindow

if TYPE_CHECKING:
    from torch import Tensor

    from methods.base import BlockView
    from methods.encoders.base import Encoder

_RANDOM_REPEATS = 8
_EMBEDDED = ("tiny_short", "tiny_long")


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder to benchmark, and how to call it."""

    label: str
    encoder: Encoder
    source: Source
    trained_on: tuple[str, ...]


@dataclass(frozen=True)
class Benchmark:
    """All results.

    Attributes:
        searched: see Searched.
        embeddings: unit vectors (frame, dim) of every video, by encoder and video.
        skipped: encoders and why a kind of video could not be embedded.
    """

    searched: tuple[Searched, ...]
    embeddings: dict[tuple[str, str], np.ndarray]
    skipped: dict[str, str] = field(default_factory=dict)


def choose_encoder(text: str) -> EncoderChoice:
    """An encoder as the command line names it, labelled for short by the folder of its checkpoint.

    Args:
        text: a registered name, NAME@CHECKPOINT, or the name of a shipped encoder.

    Raises:
        LongtakeError: unknown name, or a checkpoint that doesn't fit.
    """
    if text in shipped_encoders():
        name, checkpoint = "autoencoder", text
    else:
        name, _, checkpoint = text.partition("@")
    encoder: Encoder = ENCODERS.load(name)(checkpoint or None)
    label = f"{name}@{Path(checkpoint).parent.name}" if "/" in checkpoint else text
    return EncoderChoice(label, encoder, source_of(encoder), trained_on(encoder))


def choose_encoders(texts: Sequence[str]) -> list[EncoderChoice]:
    """Encoders as the command line names them; a short label that two share gives way to the text.

    Raises:
        LongtakeError: as choose_encoder, or the same encoder twice.
    """
    if twice := [text for text, count in Counter(texts).items() if count > 1]:
        raise LongtakeError(f"encoder={twice[0]} is named twice.")
    choices = [choose_encoder(text) for text in texts]
    shared = Counter(choice.label for choice in choices)
    return [
        replace(choice, label=text) if shared[choice.label] > 1 else choice
        for choice, text in zip(choices, texts, strict=True)
    ]


def embedded_backbone(label: str) -> Backbone | None:
    """The embedded backbone of a label, arguments included; None for any other backbone."""
    name, *arguments = label.split(" ")
    if name not in _EMBEDDED:
        return None
    overrides = [f"backbone={name}", *(f"backbone.{argument}" for argument in arguments)]
    (row,) = load_sweep(overrides).rows
    return build_backbone(row.backbone.target, row.backbone.args).load(torch.device("cpu"), [])


def block_queries(num_latents: int, retrieval: Retrieval, backbone: Backbone) -> list[Query]:
    """The searches of a rollout with something to search."""
    spec = backbone.spec.rollout(num_latents, seed=0)
    retrieval.reset(spec)
    queries = []
    for first_frame in range(spec.block_latents, num_latents, spec.block_latents):
        candidates = retrieval.candidates(first_frame)
        if candidates:
            queries.append(Query(first_frame - 1, candidates))
    return queries


def run_benchmark(
    videos: Sequence[RetrievalVideo],
    encoders: Sequence[EncoderChoice],
    retrieval: Retrieval,
    backbone: Backbone,
    on_video: Callable[[str], None],
) -> Benchmark:
    """Search every video with every encoder, random and the oracle.

    Args:
        videos: where to search; their names differ.
        encoders: what to search by; their labels differ.
        retrieval: candidates and K.
        backbone: whose blocks ask.
        on_video: told the name of each video that is done.
    """
    load = cache(embedded_backbone)
    searched: list[Searched] = []
    embeddings: dict[tuple[str, str], np.ndarray] = {}
    skipped: dict[str, str] = {}
    for video in videos:
        queries = block_queries(len(video.latents_NCHW), retrieval, backbone)
        abouts = list(video.gains) or [""]
        for choice in encoders:
            keys_of = None
            if choice.source is Source.keys:
                if video.prompt is None:
                    skipped[f"{choice.label} on {video.kind}"] = "the backbone needs a prompt"
                    continue
                keys_of = load(video.backbone)
                if keys_of is None:
                    videos_of = f"{video.kind} of {video.backbone}"
                    skipped[f"{choice.label} on {videos_of}"] = "it is no embedded backbone"
                    continue
            vectors = embed(video, choice, keys_of)
            embeddings[choice.label, video.name] = vectors
            for about in abouts:
                results = [
                    _search(vectors, query, video.gains.get(about), retrieval.memory_latents)
                    for query in queries
                ]
                searched.append(
                    Searched(video.name, video.kind, choice.label, about, tuple(results))
                )
        for about in abouts:
            searched += _controls(video, about, queries, retrieval.memory_latents)
        on_video(video.name)
    return Benchmark(tuple(searched), embeddings, skipped)


def embed(video: RetrievalVideo, choice: EncoderChoice, keys_of: Backbone | None) -> np.ndarray:
    """Descriptors (frame, dim) of a video; `keys_of` is needed by an encoder that looks at keys."""
    _, channels, height, width = video.latents_NCHW.shape
    choice.encoder.prepare((channels, height, width))
    inputs: Tensor
    if choice.source is Source.latents:
        inputs = video.latents_NCHW
    elif choice.source is Source.frames:
        inputs = torch.from_numpy(video.frames_NHWC)
    else:
        assert keys_of is not None
        inputs = mean_keys(video, keys_of)
    vectors = choice.encoder.embed(inputs).float().cpu().numpy()
    if not np.isfinite(vectors).all():
        raise LongtakeError(f"{choice.label} gives descriptors that are not finite: {video.name}.")
    return vectors


class _KeyRecorder(SlidingWindow):
    """A sliding window that keeps the mean keys of every frame it is shown."""

    needs_model = True

    def attach(self, view: BlockView) -> None:
        self._view = view
        self.keys: list[Tensor] = []

    def observe(self, latents: Tensor, first_frame: int) -> None:
        self.keys.append(self._view.mean_keys())


def mean_keys(video: RetrievalVideo, backbone: Backbone) -> Tensor:
    """Mean keys of a video's frames: clean passes over its latents, nothing is generated.

    A video that is no whole number of blocks is filled up with its last frame.
    """
    assert video.prompt is not None
    block = backbone.spec.block_latents
    num_latents = len(video.latents_NCHW)
    fill = video.latents_NCHW[-1:].expand(-num_latents % block, -1, -1, -1)
    made = torch.cat([video.latents_NCHW, fill])
    recorder = _KeyRecorder()
    noise = SeededNoise(0, video.prompt)
    rollout = Rollout(backbone, recorder, video.prompt, noise, len(made), seed=0)
    for _ in rollout.blocks(made):
        pass
    return torch.cat(recorder.keys)[:num_latents]


def _search(
    vectors: np.ndarray, query: Query, gains_NN: np.ndarray | None, count: int
) -> QueryResult:
    frames, cosines = search(vectors, query, count)
    candidates = vectors[query.candidates.start : query.candidates.stop]
    gains_N = None if gains_NN is None else gains_NN[query.frame]
    return measure(query, frames, cosines, gains_N, candidates @ vectors[query.frame], count)


def _controls(
    video: RetrievalVideo, about: str, queries: Sequence[Query], count: int
) -> list[Searched]:
    gains_NN = video.gains.get(about)

    def result(query: Query, frames: tuple[int, ...]) -> QueryResult:
        gains_N = None if gains_NN is None else gains_NN[query.frame]
        return measure(query, frames, None, gains_N, None, count)

    drawn = tuple(
        result(query, random_frames(query, count, f"{video.name}/{repeat}"))
        for repeat in range(_RANDOM_REPEATS)
        for query in queries
    )
    searched = [Searched(video.name, video.kind, RANDOM, about, drawn, _RANDOM_REPEATS)]
    if gains_NN is not None:
        best = tuple(
            result(query, oracle_frames(gains_NN[query.frame], query, count)) for query in queries
        )
        searched.append(Searched(video.name, video.kind, ORACLE, about, best))
    return searched
