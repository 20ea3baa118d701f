from __future__ import annotations

from unittest.mock import patch

import numpy as np

from eval.statistics import bootstrap_t, differences_p, not_best_p, rank_intervals
from eval.statistics.memory import Memory, remembered, remembering


def results(seed: int) -> list[object]:
    """Return all that is remembered, for 12 prompts and three methods."""
    values_GM = np.random.default_rng(seed).normal(size=(12, 3))
    flips = differences_p(values_GM, num_flips=99)
    return [
        bootstrap_t(values_GM, np.full(12, 1), num_resamples=50),
        rank_intervals([values_GM.T], ["higher"], range(12), num_resamples=50),
        flips.single.tolist(),
        flips.table.tolist(),
        [p_M.tolist() for p_M in not_best_p([values_GM, -values_GM], num_flips=99)],
    ]


def test_what_is_remembered_equals_what_is_computed() -> None:
    plain = [results(0), results(1)]
    memory = Memory()
    for _ in range(2):
        with remembering(memory):
            assert [results(0), results(1)] == plain
        memory = Memory(memory.used)
        assert len(memory.used) == 0
    with remembering(memory), patch("eval.statistics.intervals.resamples", None):
        assert results(0) == plain[0]
    assert len(memory.used) == 4  # those of the other table are left behind


def test_every_argument_counts() -> None:
    calls = []

    @remembered
    def total(*parts: object, scale: float = 1.0) -> np.ndarray:
        calls.append(parts)
        return np.array([scale])

    one = np.arange(4.0)
    with remembering(Memory()):
        for parts in ([one], [one + 1], [one[:, None]], [one.astype(np.float32)], [[one], one]):
            total(*parts)
            total(*parts)
        total(one, 1)
        total(one, 2)
        total(one, scale=2.0)
    assert len(calls) == 8
    total(one)  # there is no memory outside
    assert len(calls) == 9
