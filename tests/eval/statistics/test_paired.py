from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from eval.statistics import mean_and_stderr, paired_difference

Values = dict[tuple[str, int], float]


def values_of(numbers: list[float], seeds: int = 1) -> Values:
    return {(f"p{i // seeds}", i % seeds): number for i, number in enumerate(numbers)}


def test_difference_by_hand() -> None:
    found = paired_difference(values_of([3, 5, 4, 8]), values_of([1, 4, 4, 3]), True)
    assert found is not None
    # Differences 2, 1, 0, 5: mean 2, squared deviations 0, 1, 4, 9.
    assert found.mean == 2
    assert found.stderr == pytest.approx(math.sqrt(14 / 3 / 4))
    assert found.effect_size == pytest.approx(2 / math.sqrt(14 / 3))
    assert found.win_rate == (3 + 0.5) / 4
    assert found.interval is None
    assert (found.num_pairs, found.num_prompts) == (4, 4)


def test_only_shared_pairs_count() -> None:
    method = values_of([1, 2, 3]) | {("other", 0): 1000.0}
    found = paired_difference(method, values_of([1, 1, 1, 9, 9]), True)
    assert found is not None
    assert (found.mean, found.num_pairs) == (1, 3)
    assert paired_difference({("a", 0): 1.0}, {("b", 0): 1.0}, True) is None


def test_lower_is_better_reverses_the_wins_not_the_difference() -> None:
    up = paired_difference(values_of([2, 2]), values_of([1, 3]), True)
    down = paired_difference(values_of([2, 2, 0]), values_of([1, 3, 1]), False)
    assert up is not None and down is not None
    assert up.win_rate == 0.5
    assert down.mean == pytest.approx(-1 / 3)
    assert down.win_rate == pytest.approx(2 / 3)


def test_significance_counts_prompts_not_videos() -> None:
    generator = np.random.default_rng(0)
    per_prompt = generator.normal(0.5, 1, 12)
    method = values_of(np.repeat(per_prompt, 4).tolist(), seeds=4)
    baseline = dict.fromkeys(method, 0.0)
    found = paired_difference(method, baseline, True)
    assert found is not None
    assert found.p == pytest.approx(scipy.stats.wilcoxon(per_prompt).pvalue)
    assert found.stderr == pytest.approx(scipy.stats.sem(per_prompt))
    assert (found.num_pairs, found.num_prompts) == (48, 12)


def test_equal_methods_have_no_p_value() -> None:
    same = values_of([1.0] * 8)
    found = paired_difference(same, same, True)
    assert found is not None
    assert (found.mean, found.p, found.effect_size, found.win_rate) == (0, None, None, 0.5)
    assert found.interval == (0, 0)


def test_pairing_removes_what_prompts_share() -> None:
    """Prompts differ much more than methods: only the paired comparison sees the difference."""
    generator = np.random.default_rng(1)
    hardness = generator.normal(0, 10, 40)
    method = values_of((hardness + 0.5 + generator.normal(0, 0.3, 40)).tolist())
    baseline = values_of((hardness + generator.normal(0, 0.3, 40)).tolist())
    found = paired_difference(method, baseline, True)
    assert found is not None and found.interval is not None and found.p is not None
    assert found.interval.low > 0
    assert found.p < 1e-4
    unpaired = mean_and_stderr(list(method.values()), list(range(40))).stderr
    assert unpaired is not None and found.stderr is not None
    assert unpaired > 10 * found.stderr
