from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eval.statistics import differences_p, not_best_p

tables = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 5)),
    elements=st.integers(-3, 3).map(float),
)


def all_flips(num_prompts: int) -> np.ndarray:
    return np.array(list(itertools.product((1.0, -1.0), repeat=num_prompts)))


def by_definition(statistics_BH: np.ndarray, observed_H: np.ndarray) -> np.ndarray:
    """Step down from the largest statistic, one hypothesis at a time."""
    left, p_H, largest = list(range(len(observed_H))), np.zeros(len(observed_H)), 0.0
    for index in sorted(left, key=lambda h: -observed_H[h]):
        # Equal statistics are tested together: none of them is rejected before another.
        against = [h for h in left if observed_H[h] <= observed_H[index] + 1e-9]
        reached = statistics_BH[:, against].max(axis=1) >= observed_H[index] - 1e-9
        largest = p_H[index] = max(largest, reached.mean())
    return p_H


@given(tables)
def test_p_of_a_table_by_definition(differences: np.ndarray) -> None:
    length = np.sqrt((differences**2).sum(axis=0))
    unit = differences / np.where(length > 0, length, 1)
    flipped = np.abs(all_flips(len(unit)) @ unit)
    observed = np.abs(unit.sum(axis=0))
    found = differences_p(differences)
    single = (flipped >= observed - 1e-9).mean(axis=0)
    assert found.single == pytest.approx(np.where(length > 0, single, np.nan), nan_ok=True)
    table = np.where(length > 0, by_definition(flipped, observed), np.nan)
    assert found.table == pytest.approx(table, nan_ok=True)


@given(tables)
def test_correction_never_lowers_p_and_keeps_the_order(differences: np.ndarray) -> None:
    found = differences_p(differences)
    made = ~np.isnan(found.single)
    assert (found.single[made] <= found.table[made] + 1e-12).all()
    assert (found.table[made] <= 1).all()


def test_prompts_that_all_agree_reach_the_smallest_p() -> None:
    """However many differences are tested: no flip but all or none makes any of them as large."""
    for num_prompts in (5, 6, 8):
        agreed = np.ones((num_prompts, 30)) * np.arange(1, 31)
        found = differences_p(agreed)
        assert found.table == pytest.approx(np.full(30, 2 / 2**num_prompts))


def test_difference_in_one_prompt_is_nothing() -> None:
    differences = np.zeros((50, 2))
    differences[7, 0] = 1000.0
    found = differences_p(differences)
    assert found.table[0] == 1.0
    assert np.isnan(found.table[1])


def test_large_difference_does_not_hide_a_smaller_one() -> None:
    """The step-down drops what is rejected; a single step would compare with it for ever."""
    generator = np.random.default_rng(0)
    small = generator.normal(0.7, 1, (20, 1))
    alone = differences_p(small).table[0]
    beside = differences_p(np.hstack([small, generator.normal(9, 1, (20, 8))])).table[0]
    assert beside == pytest.approx(alone)
    assert differences_p(np.hstack([small, generator.normal(0, 1, (20, 8))])).table[0] > alone


def test_random_flips_agree_with_all_flips() -> None:
    differences = np.random.default_rng(1).normal(0.4, 1, (12, 6))
    exact, drawn = differences_p(differences, 9_999), differences_p(differences, 4_000)
    assert (exact.table != drawn.table).any()
    assert drawn.table == pytest.approx(exact.table, abs=0.04)
    assert drawn.single == pytest.approx(exact.single, abs=0.04)


@given(
    st.lists(
        hnp.arrays(np.float64, (5, 3), elements=st.integers(-3, 3).map(float)),
        min_size=1,
        max_size=3,
    )
)
def test_p_of_being_best_by_definition(contests: list[np.ndarray]) -> None:
    flips = np.vstack([np.ones(5), all_flips(5)])
    columns = []
    for sums in contests:
        for own in range(3):
            behind = []
            for other in range(3):
                difference = sums[:, other] - sums[:, own]
                length = np.sqrt((difference**2).sum())
                behind.append(flips @ difference / (length if length > 0 else 1))
            columns.append(np.max(behind, axis=0))
    statistics = np.array(columns).T
    found = np.concatenate(not_best_p(contests))
    assert found == pytest.approx(by_definition(statistics[1:], statistics[0]))


def test_best_is_kept_and_the_far_worse_left_out() -> None:
    generator = np.random.default_rng(0)
    hardness = generator.normal(0, 5, (20, 1))
    values = hardness + generator.normal(0, 0.5, (20, 4)) + np.array([0.0, 0.0, -0.1, -3.0])
    (p,) = not_best_p([values])
    assert p[values.sum(axis=0).argmax()] > 0.5
    assert p[3] < 0.01
    assert (p[:3] > 0.05).all()


def test_prompts_that_a_contest_lacks_change_nothing() -> None:
    values = np.random.default_rng(2).normal(0, 1, (10, 4)) + np.arange(4)
    padded = np.vstack([values, np.zeros((3, 4))])
    assert not_best_p([padded])[0] == pytest.approx(not_best_p([values])[0])


def test_equal_methods_and_no_contest() -> None:
    assert not_best_p([]) == []
    assert not_best_p([np.ones((8, 2))])[0].tolist() == [1.0, 1.0]
    assert not_best_p([np.ones((8, 1))])[0].tolist() == [1.0]
