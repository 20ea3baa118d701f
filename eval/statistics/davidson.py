"""Davidson's model of paired comparisons with ties, and intervals over prompts and voters.

P(i wins) = s_i / d, P(j wins) = s_j / d, P(tie) = v sqrt(s_i s_j) / d, where d is the sum of the
three numerators.
Source: Davidson (1970), "On extending the Bradley-Terry model to accommodate ties in paired
comparison experiments".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eval.statistics.clusters import MIN_CLUSTERS, Interval

Outcome = Literal["left", "right", "tie"]
_PRIOR = 0.01
"""Weight of a normal prior on the strengths, which keeps that of a row that always wins finite."""
_RESAMPLES = 300
_STEPS = 50


@dataclass(frozen=True)
class Comparison:
    """One vote on two competitors, with what it shares with other votes."""

    left: str
    right: str
    outcome: Outcome
    prompt: str
    voter: str


@dataclass(frozen=True)
class Strength:
    """A competitor.

    Attributes:
        value: logarithm of its strength; those of all competitors have the mean 0.
        interval: 95 %, of resampled prompts and voters; None for fewer than six prompts.
        num_votes, num_wins, num_ties: counts.
    """

    value: float
    interval: Interval | None
    num_votes: int
    num_wins: int
    num_ties: int


def davidson(votes: Sequence[Comparison]) -> dict[str, Strength]:
    """Return the strengths of all competitors, the strongest first.

    Args:
        votes: at least one.
    """
    names = sorted({name for vote in votes for name in (vote.left, vote.right)})
    index = {name: i for i, name in enumerate(names)}
    left = np.array([index[vote.left] for vote in votes])
    right = np.array([index[vote.right] for vote in votes])
    outcome = np.array([{"left": 1.0, "right": 0.0, "tie": 0.5}[vote.outcome] for vote in votes])
    best = _fit(left, right, outcome, np.ones(len(votes)), len(names))
    prompts = _codes([vote.prompt for vote in votes])
    voters = _codes([vote.voter for vote in votes])
    drawn = None
    if prompts.max() + 1 >= MIN_CLUSTERS:
        generator = np.random.default_rng(0)
        weights = (_draw(generator, prompts) * _draw(generator, voters) for _ in range(_RESAMPLES))
        drawn = np.array([_fit(left, right, outcome, w, len(names)) for w in weights])
    found = {}
    for name in sorted(names, key=lambda n: -best[index[n]]):
        i = index[name]
        mine = (left == i) | (right == i)
        won = ((left == i) & (outcome == 1)) | ((right == i) & (outcome == 0))
        interval = None
        if drawn is not None:
            low, high = np.quantile(drawn[:, i], (0.025, 0.975)).tolist()
            interval = Interval(low, high)
        ties = int((mine & (outcome == 0.5)).sum())
        found[name] = Strength(float(best[i]), interval, int(mine.sum()), int(won.sum()), ties)
    return found


def votes_needed(share: float) -> int:
    """Return the votes on one pair that tell a share of wins from a half: 5 % error, 80 % power.

    Without ties, each by another voter on another prompt; votes that share them count for less.

    Args:
        share: of wins among votes that are not ties, above 0.5 and below 1.
    """
    spread = 1.959964 * 0.5 + 0.841621 * (share * (1 - share)) ** 0.5
    return int(np.ceil((spread / (share - 0.5)) ** 2))


def _fit(
    left: np.ndarray, right: np.ndarray, outcome: np.ndarray, weights: np.ndarray, number: int
) -> np.ndarray:
    """Return the strengths that make the weighted votes likeliest, by Newton's method.

    The model is a multinomial regression: with b the strengths and t the logarithm of v, a win has
    the utility b_i, a tie (b_i + b_j) / 2 + t.
    """
    rows = np.arange(len(left))
    wins = np.zeros((len(left), 3, number + 1))  # vote, outcome (left, tie, right), parameter
    wins[rows, 0, left] = wins[rows, 2, right] = 1.0
    wins[rows, 1, left] += 0.5
    wins[rows, 1, right] += 0.5
    wins[:, 1, number] = 1.0
    seen = np.stack([outcome == 1, outcome == 0.5, outcome == 0], axis=1).astype(float)
    parameters = np.zeros(number + 1)
    for _ in range(_STEPS):
        utilities = wins @ parameters
        chances = np.exp(utilities - utilities.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        slope = np.einsum("v,vo,vop->p", weights, seen - chances, wins) - _PRIOR * parameters
        mean = np.einsum("vo,vop->vp", chances, wins)
        curve = np.einsum("v,vo,vop,voq->pq", weights, chances, wins, wins, optimize=True)
        curve -= np.einsum("v,vp,vq->pq", weights, mean, mean, optimize=True)
        step = np.linalg.solve(curve + _PRIOR * np.eye(number + 1), slope)
        # A long step may leave the region in which the model is nearly quadratic.
        parameters += step * min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    strengths: np.ndarray = parameters[:number] - parameters[:number].mean()
    return strengths


def _codes(labels: Sequence[str]) -> np.ndarray:
    return np.unique(np.array(labels), return_inverse=True)[1]


def _draw(generator: np.random.Generator, codes: np.ndarray) -> np.ndarray:
    """Return how often each vote's cluster is drawn in a resample of all clusters."""
    number = int(codes.max()) + 1
    drawn = np.bincount(generator.integers(number, size=number), minlength=number)
    counts: np.ndarray = drawn[codes].astype(float)
    return counts
