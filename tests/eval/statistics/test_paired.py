from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from eval.statistics import (
    NoInterval,
    PairedDifference,
    differences_p,
    mean_and_stderr,
    paired_differences,
    table_p,
)

Values = dict[tuple[str, int], float]


def values_of(numbers: list[float], seeds: int = 1) -> Values:
    return {(f"p{i // seeds}", i % seeds): number for i, number in enumerate(numbers)}


def paired_difference(
    method: Values, baseline: Values, higher_is_better: bool
) -> PairedDifference | None:
    return paired_differences({"method": method}, baseline, higher_is_better)["method"]


def test_difference_by_hand() -> None:
    found = paired_difference(values_of([3, 5, 4, 8]), values_of([1, 4, 4, 3]), True)
    assert found is not None
    # Differences 2, 1, 0, 5: mean 2, squared deviations 0, 1, 4, 9.
    assert found.mean == 2
    assert found.stderr == pytest.approx(math.sqrt(14 / 3 / 4))
    assert found.effect_size == pytest.approx(2 / math.sqrt(14 / 3))
    assert found.win_rate == (3 + 0.5) / 4
    assert found.spread == pytest.approx(math.sqrt(14 / 3))
    assert (found.interval, found.no_interval) == (None, NoInterval.few_prompts)
    assert (found.num_pairs, found.num_prompts) == (4, 4)
    assert found.prompt_sums == {"p0": 2, "p1": 1, "p2": 0, "p3": 5}


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


def test_methods_are_compared_each_over_its_own_pairs() -> None:
    generator = np.random.default_rng(5)
    baseline = values_of(generator.normal(0, 1, 20).tolist(), seeds=2)
    whole = {pair: value + generator.normal(0.5, 1) for pair, value in baseline.items()}
    other = {pair: value + generator.normal(0.5, 1) for pair, value in baseline.items()}
    part = dict(list(whole.items())[:14])
    together = paired_differences(
        {"whole": whole, "part": part, "none": {}, "other": other}, baseline, True
    )
    assert list(together) == ["whole", "part", "none", "other"]
    assert together["none"] is None
    for name, values in (("whole", whole), ("part", part), ("other", other)):
        alone, found = paired_difference(values, baseline, True), together[name]
        assert alone is not None and found is not None
        assert found.interval == pytest.approx(alone.interval)
        assert found.prompt_sums == pytest.approx(alone.prompt_sums)
        assert (found.num_pairs, found.num_prompts) == (len(values), len(values) // 2)


def test_significance_counts_prompts_not_videos() -> None:
    generator = np.random.default_rng(0)
    per_prompt = generator.normal(0.5, 1, 12)
    method = values_of(np.repeat(per_prompt, 4).tolist(), seeds=4)
    found = paired_difference(method, dict.fromkeys(method, 0.0), True)
    assert found is not None
    (p,) = table_p([found])
    assert p is not None
    assert p.single == p.table == differences_p(per_prompt[:, None]).single[0]
    assert found.stderr == pytest.approx(scipy.stats.sem(per_prompt))
    assert (found.num_pairs, found.num_prompts) == (48, 12)


def test_equal_methods_have_no_p_value_and_no_interval() -> None:
    same = values_of([1.0] * 8)
    found = paired_difference(same, same, True)
    assert found is not None
    assert (found.mean, found.effect_size, found.win_rate) == (0, None, 0.5)
    assert (found.interval, found.no_interval) == (None, NoInterval.few_differ)
    assert table_p([found, None]) == [None, None]
    assert table_p([]) == []


@pytest.mark.parametrize(("num_prompts", "marks"), [(5, 0), (6, 1), (7, 1), (8, 2)])
def test_marks_need_prompts_enough(num_prompts: int, marks: int) -> None:
    """If all prompts agree, p is 2 / 2**n, and no other difference of the table changes that."""
    baseline = values_of([0.0] * num_prompts)
    methods = {f"m{size}": dict.fromkeys(baseline, float(size)) for size in (1, 2, 3)}
    tested = table_p(list(paired_differences(methods, baseline, True).values()))
    assert [p.table for p in tested if p] == [2 / 2**num_prompts] * 3
    assert [p.marks for p in tested if p] == [marks] * 3


def test_prompts_flip_together_across_metrics_by_name() -> None:
    """A metric that lacks prompts is tested with those it has, in the family of the others."""
    generator = np.random.default_rng(3)
    baseline = values_of([0.0] * 12)
    method = {pair: generator.normal(0.8, 1) for pair in baseline}
    part = {pair: method[pair] for pair in list(method)[3:]}
    whole, fewer = (paired_difference(values, baseline, True) for values in (method, part))
    assert whole is not None and fewer is not None
    columns = np.array(
        [[whole.prompt_sums[p], fewer.prompt_sums.get(p, 0.0)] for p in whole.prompt_sums]
    )
    expected = differences_p(columns)
    assert [p.table for p in table_p([whole, None, fewer]) if p] == expected.table.tolist()


def test_pairing_removes_what_prompts_share() -> None:
    """Prompts differ much more than methods: only the paired comparison sees the difference."""
    generator = np.random.default_rng(1)
    hardness = generator.normal(0, 10, 40)
    method = values_of((hardness + 0.5 + generator.normal(0, 0.3, 40)).tolist())
    baseline = values_of((hardness + generator.normal(0, 0.3, 40)).tolist())
    found = paired_difference(method, baseline, True)
    assert found is not None and found.interval is not None
    assert found.interval.low > 0
    (p,) = table_p([found])
    assert p is not None and p.table <= 2e-4
    unpaired = mean_and_stderr(list(method.values()), list(range(40))).stderr
    assert unpaired is not None and found.stderr is not None
    assert unpaired > 10 * found.stderr
