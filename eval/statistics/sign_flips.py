"""Tests of a whole table by flips of signs, with prompts as the unit that flips.

Two methods that are equal give differences that are as likely positive as negative, whatever
metrics and other methods say of the same prompt. Flipping the sign of *all* differences of a prompt
together therefore shows what a table of equal methods looks like, with its correlations, and the
largest statistic over the table bounds the error of all its marks at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from eval.statistics.memory import remembered

NUM_FLIPS = 9_999
"""Random flips of a table; up to 13 prompts all flips are counted out instead."""
_CHUNK = 1_000_000  # numbers held at a time
_TIE = 1e-9  # statistics this close are equal but for rounding


@dataclass(frozen=True)
class TableP:
    """The p-values of a table, one per column; NaN where nothing differs.

    Attributes:
        single: of the column alone.
        table: corrected for all columns: marking those below 0.05 marks an equal one in at most
            5 % of tables.
    """

    single: np.ndarray
    table: np.ndarray


def differences_p(differences_GH: np.ndarray, num_flips: int = NUM_FLIPS, seed: int = 0) -> TableP:
    """Return two-sided p-values of the hypotheses that differences are symmetric about zero.

    The statistic is |sum| / sqrt(sum of squares), which orders flips as Student's t does. The
    correction is the step-down of the largest statistic. Source: Romano and Wolf, "Exact and
    approximate stepdown methods for multiple hypothesis testing" (JASA 2005).

    Args:
        differences_GH: a row per prompt, a column per hypothesis: the sum of the paired differences
            of the prompt; 0 where the hypothesis has no value for the prompt.
        num_flips: random flips; fewer if all can be counted out.
        seed: the same seed gives the same p-values.
    """
    length_H = np.sqrt((differences_GH**2).sum(axis=0))
    differs_H = length_H > 0
    unit_GH = differences_GH / np.where(differs_H, length_H, 1)
    return TableP(*np.where(differs_H, _differences_p(unit_GH, num_flips, seed), np.nan))


@remembered
def _differences_p(unit_GH: np.ndarray, num_flips: int, seed: int) -> np.ndarray:
    flips = _flips(len(unit_GH), num_flips, seed, _CHUNK // max(1, *unit_GH.shape))
    observed_H = np.abs(unit_GH.sum(axis=0))
    # Once in their order: sorting the statistics of each flip takes longer than making them.
    order_H = np.argsort(observed_H, kind="stable")
    sorted_HG = np.ascontiguousarray(unit_GH.T[order_H])

    def statistics(signs_GB: np.ndarray) -> np.ndarray:
        sums_HB = sorted_HG @ signs_GB
        return np.abs(sums_HB, out=sums_HB)

    found = _step_down(observed_H[order_H], map(statistics, flips))
    back_H = np.argsort(order_H, kind="stable")
    return np.stack([found.single[back_H], found.table[back_H]])


def not_best_p(
    contests: Sequence[np.ndarray], num_flips: int = NUM_FLIPS, seed: int = 0
) -> list[np.ndarray]:
    """Return p-values of the hypotheses that a method is the best, or equal to it, in a contest.

    A method is left out when some other is better beyond doubt: its statistic is the largest
    one-sided one over the others (Hsu, "Simultaneous confidence intervals for all distances from
    the 'best'", Annals of Statistics 1981), and the step-down of `differences_p` runs over all
    methods of all contests, so that leaving out those with p < 0.05 leaves out a method that is
    best, or equal to the best, of any contest in at most 5 % of tables.

    Args:
        contests: per contest the sums of the values [prompt, method], higher is better; row g is
            the same prompt in all, all 0 where the contest lacks it.
        num_flips: random flips; fewer if all can be counted out.
        seed: the same seed gives the same p-values.

    Returns:
        The p-values of the methods of each contest.
    """
    if not contests:
        return []
    # Differences between methods are all that counts; without what they share, rounding is less.
    centred = [sums_GM - sums_GM.mean(axis=1, keepdims=True) for sums_GM in contests]
    ends = np.cumsum([sums_GM.shape[1] for sums_GM in centred])
    return np.split(_not_best_p(centred, num_flips, seed), ends[:-1])


@remembered
def _not_best_p(centred: Sequence[np.ndarray], num_flips: int, seed: int) -> np.ndarray:
    inverses = [1 / _distances(sums_GM) for sums_GM in centred]
    num_prompts, num_methods = len(centred[0]), sum(sums_GM.shape[1] for sums_GM in centred)

    def statistics(signs_GB: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [
                _behind(sums_GM.T @ signs_GB, inverse_MM)
                for sums_GM, inverse_MM in zip(centred, inverses, strict=True)
            ]
        )

    observed_H = statistics(np.ones((num_prompts, 1)))[:, 0]
    order_H = np.argsort(observed_H, kind="stable")
    flips = _flips(num_prompts, num_flips, seed, _CHUNK // max(num_prompts, num_methods))
    ordered = (statistics(signs_GB)[order_H] for signs_GB in flips)
    found = _step_down(observed_H[order_H], ordered)
    return found.table[np.argsort(order_H, kind="stable")]


def _distances(sums_GM: np.ndarray) -> np.ndarray:
    """Return the length of the difference of each two methods; 1 where they are equal."""
    length_MM = np.sqrt(((sums_GM[:, :, None] - sums_GM[:, None, :]) ** 2).sum(axis=0))
    return np.where(length_MM > 0, length_MM, 1)


def _behind(totals_MB: np.ndarray, inverse_MM: np.ndarray) -> np.ndarray:
    """Return how far each method is behind the method that beats it most, in units of its noise."""
    behind_MB = np.zeros_like(totals_MB)  # behind itself
    for one in range(len(totals_MB) - 1):  # each two once
        ahead_MB = totals_MB[one] - totals_MB[one + 1 :]
        ahead_MB *= inverse_MM[one, one + 1 :, None]
        np.maximum(behind_MB[one + 1 :], ahead_MB, out=behind_MB[one + 1 :])
        np.maximum(behind_MB[one], -ahead_MB.min(axis=0), out=behind_MB[one])
    return behind_MB


def _step_down(observed_H: np.ndarray, flipped: Iterator[np.ndarray]) -> TableP:
    """Return the share of flips whose statistic reaches the observed one.

    Alone, and against the largest over all hypotheses with a statistic no larger than its own; a
    hypothesis never gets a smaller p than one with a larger statistic.

    Args:
        observed_H: the statistics, ascending.
        flipped: chunks [hypothesis, flip] of those of flips, which are written over.
    """
    single_H, largest_H, num_flips = np.zeros(len(observed_H)), np.zeros(len(observed_H)), 0
    reach_H1 = observed_H[:, None] - _TIE
    for statistics_HB in flipped:
        single_H += np.count_nonzero(statistics_HB >= reach_H1, axis=1)
        np.maximum.accumulate(statistics_HB, axis=0, out=statistics_HB)
        largest_H += np.count_nonzero(statistics_HB >= reach_H1, axis=1)
        num_flips += statistics_HB.shape[1]
    monotone_H = np.maximum.accumulate(largest_H[::-1])[::-1]
    return TableP(single_H / num_flips, monotone_H / num_flips)


def _flips(num_prompts: int, num_flips: int, seed: int, at_once: int) -> Iterator[np.ndarray]:
    """Yield signs in chunks [prompt, flip]: all flips, or random ones after the identity."""
    signs_BG, at_once = _signs(num_prompts, num_flips, seed), max(1, at_once)
    for first in range(0, len(signs_BG), at_once):
        yield signs_BG[first : first + at_once].T.astype(np.float64, order="C")


def _signs(num_prompts: int, num_flips: int, seed: int) -> np.ndarray:
    if 2**num_prompts <= num_flips + 1:
        bits = np.arange(2**num_prompts)[:, None] >> np.arange(num_prompts) & 1
        return (1 - 2 * bits).astype(np.int8)
    generator = np.random.default_rng(seed)
    signs_BG = generator.integers(2, size=(num_flips + 1, num_prompts), dtype=np.int8) * 2 - 1
    signs_BG[0] = 1
    return signs_BG
