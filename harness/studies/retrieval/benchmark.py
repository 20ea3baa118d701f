"""The retrieval benchmark: encoders, random and an oracle search the same videos.

Queries and candidates are those of a rollout. At every block the newest clean frame is the query;
the candidates are the frames that have left the window, without the recency guard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from eval.retrieval.measures import (
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
from harness.studies.retrieval.embedding import embed, embedded_backbone
from methods.encoders.base import Source
from methods.retrieval import Retrieval

if TYPE_CHECKING:
    from backbones.engine.spec import BackboneSpec
    from harness.studies.retrieval.choices import EncoderChoice
    from harness.studies.retrieval.videos import RetrievalVideo

_RANDOM_REPEATS = 8


@dataclass(frozen=True)
class Benchmark:
    """Results of a benchmark.

    Attributes:
        searched: results of each video, searcher and kind of relevance.
        embeddings: unit vectors (frame, dim) by encoder and video.
        skipped: reason by "ENCODER on VIDEOS", where an encoder cannot embed these videos.
    """

    searched: tuple[Searched, ...]
    embeddings: dict[tuple[str, str], np.ndarray]
    skipped: dict[str, str] = field(default_factory=dict)


def block_queries(num_latents: int, retrieval: Retrieval, spec: BackboneSpec) -> list[Query]:
    """Return the queries of a rollout that have at least one candidate."""
    retrieval.reset(spec.rollout(num_latents, seed=0))
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
    spec: BackboneSpec,
    on_video: Callable[[str], None],
) -> Benchmark:
    """Search every video with every encoder, with random and with the oracle.

    Args:
        videos: videos with different names.
        encoders: encoders with different labels.
        retrieval: strategy that determines candidates and K.
        spec: of the backbone whose blocks determine the queries.
        on_video: called with the name of each finished video.
    """
    load = cache(embedded_backbone)
    searched: list[Searched] = []
    embeddings: dict[tuple[str, str], np.ndarray] = {}
    skipped: dict[str, str] = {}
    for video in videos:
        queries = block_queries(len(video.latents_NCHW), retrieval, spec)
        abouts = list(video.gains) or [""]
        for choice in encoders:
            keys_of = None
            if choice.source is Source.keys:
                # Keys depend on the weights, so they are read from the backbone of the video.
                if video.prompt is None:
                    skipped[f"{choice.label} on {video.kind}"] = "the backbone needs a prompt"
                    continue
                keys_of = load(video.backbone)
                if keys_of is None:
                    videos_of = f"{video.kind} of {video.backbone}"
                    skipped[f"{choice.label} on {videos_of}"] = "it is not an embedded backbone"
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
    """Search by chance and, where the relevant frames are known, by an oracle."""
    gains_NN = video.gains.get(about)

    def result(query: Query, frames: tuple[int, ...]) -> QueryResult:
        gains_N = None if gains_NN is None else gains_NN[query.frame]
        return measure(query, frames, None, gains_N, None, count)

    # Several rounds, because one random draw per query would make a noisy reference.
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
