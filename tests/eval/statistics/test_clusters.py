from __future__ import annotations

import math

import numpy as np
import pytest

from eval.statistics import mean_and_stderr, means_by_group
from eval.statistics.clusters import resamples


def test_one_value_per_cluster_gives_the_usual_standard_error() -> None:
    # Deviations -1.5, -0.5, 0.5, 1.5: variance of the mean = (5 / 3) / 4.
    estimate = mean_and_stderr([1, 2, 3, 4], ["a", "b", "c", "d"])
    assert estimate.mean == 2.5
    assert estimate.stderr == pytest.approx(math.sqrt(5 / 12))
    assert (estimate.num_values, estimate.num_clusters) == (4, 4)


def test_clustered_standard_error_by_hand() -> None:
    # Mean 4. Sums of deviations: a: -3 - 1 = -4, b: 0, c: 4. So 3/2 * (16 + 0 + 16) / 5**2.
    estimate = mean_and_stderr([1, 3, 4, 4, 8], ["a", "a", "b", "b", "c"])
    assert estimate.mean == 4
    assert estimate.stderr == pytest.approx(math.sqrt(1.5 * 32 / 25))
    assert (estimate.num_values, estimate.num_clusters) == (5, 3)


def test_repeating_every_video_does_not_add_certainty() -> None:
    once = mean_and_stderr([1, 2, 4], ["a", "b", "c"])
    thrice = mean_and_stderr([1, 2, 4] * 3, ["a", "b", "c"] * 3)
    assert thrice.stderr == pytest.approx(once.stderr)


def test_one_prompt_has_no_standard_error() -> None:
    assert mean_and_stderr([1, 2], ["a", "a"]).stderr is None


def test_estimates_of_many_groups_are_those_of_each() -> None:
    generator = np.random.default_rng(0)
    groups, clusters = generator.integers(9, size=80), generator.integers(4, size=80)
    values = generator.normal(size=80)
    groups[groups == 3] = 2  # a group without values
    clusters[groups == 5] = 1  # and one of a single cluster
    found = means_by_group(values, clusters, groups, 9)
    for group in range(9):
        of_group = groups == group
        if group == 3:
            assert np.isnan([found.mean[3], found.stderr[3]]).all() and found.num_values[3] == 0
            continue
        one = mean_and_stderr(values[of_group], clusters[of_group].tolist())
        stderr = math.nan if one.stderr is None else one.stderr
        assert found.mean[group] == pytest.approx(one.mean)
        assert found.stderr[group] == pytest.approx(stderr, nan_ok=True)
        assert (found.num_values[group], found.num_clusters[group]) == one[2:]


def test_missing_values_are_not_averaged_silently() -> None:
    with pytest.raises(AssertionError, match="missing"):
        mean_and_stderr([1.0, math.nan], ["a", "b"])


def test_draws_in_chunks_have_the_same_distribution() -> None:
    chunks = list(resamples(3000, 1500, seed=0))
    assert len(chunks) > 1
    drawn = np.concatenate(chunks)
    assert drawn.shape == (1500, 3000)
    assert (drawn.sum(axis=1) == 3000).all()
    assert drawn.var(axis=0).mean() == pytest.approx(1 - 1 / 3000, rel=0.02)
