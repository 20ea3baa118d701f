"""The signed-rank test, and Holm's correction for multiple tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

MAX_EXACT = 60
"""Largest number of differences for which p is exact, ties included."""


def wilcoxon(differences: Sequence[float]) -> float | None:
    """Return the two-sided p of the signed-rank test that differences are symmetric about zero.

    Zeros are dropped, equal sizes share the mean of their ranks. Up to `MAX_EXACT` differences the
    distribution over all signs is exact; above, normal with the variance corrected for ties.
    Source: Wilcoxon (1945); Hollander and Wolfe, section 3.1.

    Returns:
        p in (0, 1]; None without any difference other than zero.
    """
    sizes = np.asarray([value for value in differences if value != 0], dtype=np.float64)
    if len(sizes) == 0:
        return None
    if len(sizes) > MAX_EXACT:
        return float(stats.wilcoxon(sizes, method="asymptotic", correction=False).pvalue)
    # scipy's exact test refuses ties, so the distribution is counted out here: ways[r] is the
    # number of sign assignments whose positive ranks sum to r. Tied ranks end in .5; doubled, all
    # sums are whole and can index an array.
    ranks = (2 * stats.rankdata(np.abs(sizes))).astype(int)
    positive = int(ranks[sizes > 0].sum())
    total = int(ranks.sum())
    extreme = min(positive, total - positive)
    ways = np.zeros(total + 1)
    ways[0] = 1.0
    for rank in ranks:
        ways[rank:] += ways[: total + 1 - rank].copy()
    return float(min(1.0, 2 * ways[: extreme + 1].sum() / 2.0 ** len(sizes)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for the number of tests (Holm, 1979), which bounds the family-wise error.

    A None, for a test that could not be made, stays None and does not count.
    """
    made = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for position, (p, index) in enumerate(made):
        largest = max(largest, min(1.0, (len(made) - position) * p))
        adjusted[index] = largest
    return adjusted
