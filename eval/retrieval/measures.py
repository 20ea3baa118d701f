"""Measures of retrieval against known relevance, without generating anything.

A query is one latent frame and its candidates are older frames. Each candidate has a gain, 0..1 for
the share of the same content it shows, and is relevant if the gain is at least `RELEVANT`.

Letters: C candidates, N latent frames of a video.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

RELEVANT = 0.75
RANDOM, ORACLE = "random", "oracle"
NEAR_LATENTS = 3  # frames so close in time count as duplicates of each other
MEASURES = {
    "recall": "share of the relevant frames found, of those that K places can hold",
    "precision": "share of the retrieved frames that are relevant",
    "ndcg": "gains found, early places counting more, relative to the best order",
    "margin": "mean cosine of relevant minus mean cosine of other candidates",
    "duplicates": "share of retrieved frames with another retrieved one within 3 latents",
    "spread_latents": "mean distance in time of two frames retrieved together",
    "age_latents": "mean age of a retrieved frame",
}


@dataclass(frozen=True)
class Query:
    """One search: `frame` looks for similar frames among `candidates`."""

    frame: int
    candidates: range


@dataclass(frozen=True)
class QueryResult:
    """The result of one search.

    Attributes:
        query: the search.
        frames: retrieved frames, best first.
        cosines: their similarity; None for a selector that has none.
        measures: those of `MEASURES`; None where a measure does not apply (no relevant candidate,
            no other candidate, a single frame, no similarity).
    """

    query: Query
    frames: tuple[int, ...]
    cosines: tuple[float, ...] | None
    measures: Mapping[str, float | None]


@dataclass(frozen=True)
class Searched:
    """One video searched by one encoder, random or the oracle, for one kind of relevance.

    Attributes:
        video: name.
        kind: of the video.
        searcher: label of the encoder, "random" or "oracle".
        about: subject of relevance; empty where none is known.
        results: one per query; for random several rounds of them, one after the other.
        num_rounds: number of rounds in `results`.
    """

    video: str
    kind: str
    searcher: str
    about: str
    results: tuple[QueryResult, ...]
    num_rounds: int = 1


def search(
    embeddings: np.ndarray, query: Query, count: int
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return the most similar candidates and their cosines, equal ones oldest first.

    Args:
        embeddings: unit vectors (N, D).
        query: the search.
        count: K.
    """
    cosines_C = embeddings[query.candidates.start : query.candidates.stop] @ embeddings[query.frame]
    order = np.argsort(-cosines_C, kind="stable")[:count]
    return (
        tuple(int(place) + query.candidates.start for place in order),
        tuple(float(cosines_C[place]) for place in order),
    )


def random_frames(query: Query, count: int, seed: str) -> tuple[int, ...]:
    """Draw random candidates, as the control; the same `seed` draws the same ones."""
    draw = random.Random(f"{seed}/{query.frame}")
    return tuple(draw.sample(query.candidates, min(count, len(query.candidates))))


def oracle_frames(gains_N: np.ndarray, query: Query, count: int) -> tuple[int, ...]:
    """Return the candidates of the largest gain, as the upper bound; equal ones oldest first."""
    gains_C = gains_N[query.candidates.start : query.candidates.stop]
    order = np.argsort(-gains_C, kind="stable")[:count]
    return tuple(int(place) + query.candidates.start for place in order)


def measure(
    query: Query,
    frames: tuple[int, ...],
    cosines: tuple[float, ...] | None,
    gains_N: np.ndarray | None,
    candidate_cosines_C: np.ndarray | None,
    count: int,
) -> QueryResult:
    """Compute the measures of one search.

    Args:
        query: the search.
        frames: the retrieved frames, best first.
        cosines: similarity of each.
        gains_N: gain of every frame for this query, or None if unknown.
        candidate_cosines_C: similarity of every candidate, for the margin.
        count: K.
    """
    measures: dict[str, float | None] = dict.fromkeys(MEASURES)
    if gains_N is not None:
        gains_C = gains_N[query.candidates.start : query.candidates.stop]
        measures |= _judged(gains_N[list(frames)], gains_C, candidate_cosines_C, count)
    measures |= redundancy(frames)
    if frames:
        measures["age_latents"] = fmean(query.frame - frame for frame in frames)
    return QueryResult(query, frames, cosines, measures)


def _judged(
    found: np.ndarray, gains_C: np.ndarray, cosines_C: np.ndarray | None, count: int
) -> dict[str, float | None]:
    relevant_C = gains_C >= RELEVANT
    if not relevant_C.any():
        return {}
    hits = int((found >= RELEVANT).sum())
    judged: dict[str, float | None] = {
        "recall": hits / min(count, int(relevant_C.sum())),
        "precision": hits / len(found) if len(found) else None,
        "ndcg": _discounted(found) / _discounted(np.sort(gains_C)[::-1][:count]),
    }
    if cosines_C is not None and not relevant_C.all():
        judged["margin"] = float(cosines_C[relevant_C].mean() - cosines_C[~relevant_C].mean())
    return judged


def _discounted(gains: np.ndarray) -> float:
    counted = np.where(gains >= RELEVANT, gains, 0.0)
    return float((counted / np.log2(np.arange(len(counted)) + 2)).sum())


def redundancy(frames: Sequence[int]) -> dict[str, float | None]:
    """Return duplicates and spread of frames retrieved together; None for fewer than two."""
    if len(frames) < 2:
        return {"duplicates": None, "spread_latents": None}
    apart = np.abs(np.subtract.outer(frames, frames)).astype(float)
    others = ~np.eye(len(frames), dtype=bool)
    return {
        "duplicates": float(((apart <= NEAR_LATENTS) & others).any(axis=1).mean()),
        "spread_latents": float(apart[others].mean()),
    }


def coverage(results: Sequence[QueryResult]) -> float | None:
    """Return the share of candidates that were retrieved by any of the searches."""
    candidates = {frame for result in results for frame in result.query.candidates}
    taken = {frame for result in results for frame in result.frames}
    return len(taken) / len(candidates) if candidates else None


def means(results: Sequence[QueryResult], num_rounds: int = 1) -> dict[str, float | None]:
    """Return the mean of every measure over the queries it applies to, and the coverage.

    Coverage is computed per round: several rounds together reach more frames than one.
    """
    found: dict[str, float | None] = {}
    for name in MEASURES:
        found[name] = _mean([result.measures[name] for result in results])
    length = len(results) // num_rounds
    rounds = [results[number * length :][:length] for number in range(num_rounds)]
    return found | {"coverage": _mean([coverage(one) for one in rounds])}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return fmean(known) if known else None
