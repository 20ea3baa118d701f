from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eval.statistics import MIN_CLUSTERS
from eval.statistics.power import MAX_PROMPTS, POWER, detectable_effect, prompts_needed


@pytest.mark.parametrize("num_comparisons", [1, 10])
@pytest.mark.parametrize("num_prompts", [6, 16, 64])
def test_stated_difference_has_its_power_by_the_noncentral_t(
    num_prompts: int, num_comparisons: int
) -> None:
    effect = detectable_effect(num_prompts, num_comparisons)
    assert effect is not None
    degrees = num_prompts - 1
    critical = stats.t.ppf(1 - 0.05 / num_comparisons / 2, degrees)
    exact = stats.nct.sf(critical, degrees, effect * np.sqrt(num_prompts))
    assert exact == pytest.approx(POWER, abs=0.01)


def test_few_prompts_tell_nothing() -> None:
    assert detectable_effect(MIN_CLUSTERS - 1) is None
    assert prompts_needed(100.0) == MIN_CLUSTERS


def test_tiny_difference_needs_more_prompts_than_any() -> None:
    assert prompts_needed(0.0) is None
    assert prompts_needed(1e-6) is None


@given(st.floats(0.02, 5), st.integers(1, 400))
def test_prompts_needed_are_the_fewest(effect: float, num_comparisons: int) -> None:
    needed = prompts_needed(effect, num_comparisons)
    assert needed is not None and needed <= MAX_PROMPTS
    enough = detectable_effect(needed, num_comparisons)
    assert enough is not None and enough <= effect
    fewer = detectable_effect(needed - 1, num_comparisons)
    assert fewer is None or fewer > effect
    assert prompts_needed(-effect, num_comparisons) == needed


def test_more_prompts_tell_less_and_more_tests_need_more() -> None:
    effects = [detectable_effect(n) or 0.0 for n in (6, 12, 24, 200)]
    assert effects == sorted(effects, reverse=True)
    needed = [prompts_needed(0.5, count) or 0 for count in (1, 5, 50)]
    assert needed == sorted(needed)
    assert needed[0] < needed[-1]
