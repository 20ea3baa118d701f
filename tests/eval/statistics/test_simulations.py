"""Simulations with a known truth: coverage of intervals, and error rates of tests.

Every figure below has a tolerance of four standard deviations of its own simulation.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from eval.statistics import bootstrap_interval, holm, paired_difference, wilcoxon

NUM_TRIALS = 1500


def tolerance(share: float, num_trials: int = NUM_TRIALS) -> float:
    return 4 * math.sqrt(share * (1 - share) / num_trials)


def coverage(num_prompts: int, num_seeds: int, skewed: bool) -> float:
    """Return the share of 95 % intervals that cover the true mean 1, of dependent videos."""
    generator = np.random.default_rng(num_prompts + num_seeds)
    prompts = np.repeat(np.arange(num_prompts), num_seeds).tolist()
    hits = 0
    for _ in range(NUM_TRIALS):
        shared = (
            generator.exponential(1, num_prompts) if skewed else generator.normal(1, 1, num_prompts)
        )
        values = np.repeat(shared, num_seeds) + generator.normal(0, 0.5, len(prompts))
        interval = bootstrap_interval(values.tolist(), prompts, num_resamples=1000)
        assert interval is not None
        hits += interval.low <= 1 <= interval.high
    return hits / NUM_TRIALS


@pytest.mark.parametrize(("num_prompts", "num_seeds"), [(6, 1), (12, 3), (50, 1)])
def test_interval_covers_the_mean_of_symmetric_values(num_prompts: int, num_seeds: int) -> None:
    found = coverage(num_prompts, num_seeds, skewed=False)
    assert found >= 0.93 - tolerance(0.93)
    assert found <= 0.97 + tolerance(0.97)


def test_interval_of_skewed_values_covers_little_less() -> None:
    assert coverage(30, 1, skewed=True) >= 0.91 - tolerance(0.91)


def test_more_videos_of_the_same_prompts_do_not_shrink_the_interval() -> None:
    generator = np.random.default_rng(0)
    shared = generator.normal(0, 1, 10)
    once = bootstrap_interval(shared.tolist(), list(range(10)))
    often = bootstrap_interval(np.repeat(shared, 9).tolist(), np.repeat(np.arange(10), 9).tolist())
    assert once == pytest.approx(often)


@pytest.mark.parametrize("num_prompts", [6, 20, 80])
def test_false_positives_stay_below_the_level(num_prompts: int) -> None:
    generator = np.random.default_rng(num_prompts)
    trials = generator.normal(0, 1, (NUM_TRIALS, num_prompts))
    p_values = [wilcoxon(trial) for trial in trials.tolist()]
    rate = np.mean([p is not None and p < 0.05 for p in p_values])
    assert rate <= 0.05 + tolerance(0.05)
    if num_prompts > 6:
        assert rate >= 0.05 - tolerance(0.05) - 0.005  # not by never saying anything


def test_any_false_positive_among_ten_metrics_stays_below_the_level() -> None:
    generator = np.random.default_rng(7)
    raw = corrected = 0
    for trial in generator.normal(0, 1, (600, 10, 15)):
        p_values = [wilcoxon(metric) for metric in trial.tolist()]
        adjusted = holm(p_values)
        raw += any(p is not None and p < 0.05 for p in p_values)
        corrected += any(p is not None and p < 0.05 for p in adjusted)
    assert raw / 600 > 0.25
    assert corrected / 600 <= 0.05 + tolerance(0.05, 600)


def test_a_true_difference_is_found() -> None:
    generator = np.random.default_rng(11)
    found = 0
    for _ in range(200):
        hardness = generator.normal(0, 5, 20)
        pairs = [(f"p{i}", 0) for i in range(20)]
        method = dict(zip(pairs, hardness + generator.normal(0.8, 1, 20), strict=True))
        baseline = dict(zip(pairs, hardness, strict=True))
        difference = paired_difference(method, baseline, True, num_resamples=500)
        assert difference is not None and difference.p is not None
        found += difference.p < 0.05
    assert found / 200 > 0.85
