from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from eval.statistics import holm, wilcoxon
from eval.statistics.signed_rank import MAX_EXACT


@pytest.mark.parametrize("count", [1, 5, 6, 12, 25, MAX_EXACT])
def test_exact_p_agrees_with_scipy(count: int) -> None:
    differences = np.random.default_rng(count).normal(0.3, 1, count)
    expected = scipy.stats.wilcoxon(differences, method="exact").pvalue
    assert wilcoxon(differences.tolist()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_normal_p_agrees_with_scipy(ties: bool) -> None:
    differences = np.random.default_rng(3).normal(0.2, 1, MAX_EXACT + 40)
    if ties:
        differences = np.round(differences, 1)
    expected = scipy.stats.wilcoxon(differences, method="asymptotic", correction=False).pvalue
    assert wilcoxon(differences.tolist()) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_exact_p_with_ties_counts_all_signs(differences: list[int]) -> None:
    sizes = np.array([abs(d) for d in differences if d])
    if len(sizes) == 0:
        assert wilcoxon(differences) is None
        return
    ranks = scipy.stats.rankdata(sizes)
    centre = ranks.sum() / 2
    signs = [d > 0 for d in differences if d]
    off = abs(ranks[signs].sum() - centre)
    sums = [
        ranks[np.array(flips, dtype=bool)].sum()
        for flips in itertools.product((0, 1), repeat=len(sizes))
    ]
    share = np.mean([abs(total - centre) >= off for total in sums])
    assert wilcoxon(differences) == pytest.approx(share)


def test_five_prompts_can_never_be_significant() -> None:
    assert wilcoxon([1, 2, 3, 4, 5]) == 2 / 2**5
    assert wilcoxon([1, 2, 3, 4, 5, 6]) == 2 / 2**6


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_test_that_was_not_made_does_not_count() -> None:
    assert holm([None, 0.01, 0.02, None]) == [None, 0.02, 0.02, None]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers_p(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(new is not None and p <= new <= 1 for p, new in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted, dtype=float)[order]) >= 0).all()
