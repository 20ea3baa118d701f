"""Comparison of methods with a baseline on the same prompts, seeds and noise."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from eval.statistics.clusters import NUM_RESAMPLES, Interval, cluster_sums, mean_and_stderr
from eval.statistics.intervals import NoInterval, bootstrap_t, no_interval
from eval.statistics.sign_flips import NUM_FLIPS, differences_p


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two methods over their common pairs.

    Attributes:
        mean: mean of (method - baseline) over the pairs.
        stderr: clustered by prompt; None for one prompt.
        interval: 95 % bootstrap-t over prompts; None with a reason.
        no_interval: why there is no interval.
        spread: standard deviation over prompts of the mean difference of a prompt; None for one.
        effect_size: mean over prompts divided by `spread` (Cohen's d for pairs); None without any.
        win_rate: share of pairs in which the method is better, a tie counting half.
        num_pairs: number of pairs.
        num_prompts: number of prompts among them.
        prompts: the prompts, for tests of a whole table; empty once the table is marked.
        sums: the sum of the differences of each, as the bytes of float64: a table has thousands of
            differences.
    """

    mean: float
    stderr: float | None
    interval: Interval | None
    no_interval: NoInterval | None
    spread: float | None
    effect_size: float | None
    win_rate: float
    num_pairs: int
    num_prompts: int
    prompts: tuple[str, ...] = field(repr=False)
    sums: bytes = field(repr=False)

    @property
    def prompt_sums(self) -> dict[str, float]:
        """The sum of the differences of each prompt."""
        return dict(zip(self.prompts, np.frombuffer(self.sums).tolist(), strict=True))

    def without_sums(self) -> PairedDifference:
        """Return the difference as it is shown, once the table is marked."""
        return replace(self, prompts=(), sums=b"")


# A prompt, and what else two paired videos share, such as the seed of their noise.
Pair = TypeVar("Pair", bound=tuple[str, Hashable])


def paired_differences(
    methods: Mapping[str, Mapping[Pair, float]],
    baseline: Mapping[Pair, float],
    higher_is_better: bool,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> dict[str, PairedDifference | None]:
    """Compare methods with a baseline, each over the pairs that both have.

    Args:
        methods: by method the value of each pair, say (prompt, seed).
        baseline: value of each pair.
        higher_is_better: direction of the metric, for the win rate.
        num_resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The comparisons in the order of `methods`; None for one without a common pair.
    """
    found: dict[str, PairedDifference | None] = dict.fromkeys(methods)
    alike: dict[tuple[Pair, ...], list[str]] = {}
    for name, values in methods.items():
        pairs = tuple(pair for pair in baseline if pair in values)
        if pairs:
            alike.setdefault(pairs, []).append(name)
    for pairs, names in alike.items():
        base_P = np.array([baseline[pair] for pair in pairs])
        differences = [np.array([methods[name][pair] for pair in pairs]) - base_P for name in names]
        prompts = [prompt for prompt, _ in pairs]
        each = tuple(dict.fromkeys(prompts))
        sums = [cluster_sums(difference_P, prompts) for difference_P in differences]
        sums_GC, counts_G = np.stack([sums_G for sums_G, _ in sums], axis=1), sums[0][1]
        intervals = bootstrap_t(sums_GC, counts_G, num_resamples=num_resamples, seed=seed)
        reasons = no_interval(sums_GC, counts_G)
        for column, name in enumerate(names):
            per_prompt = sums_GC[:, column] / counts_G
            spread = float(per_prompt.std(ddof=1)) if len(per_prompt) > 1 else None
            gains = differences[column] * (1 if higher_is_better else -1)
            estimate = mean_and_stderr(differences[column], prompts)
            found[name] = PairedDifference(
                mean=estimate.mean,
                stderr=estimate.stderr,
                interval=intervals[column],
                no_interval=reasons[column],
                spread=spread,
                effect_size=float(per_prompt.mean() / spread) if spread else None,
                win_rate=float(((gains > 0) + 0.5 * (gains == 0)).mean()),
                num_pairs=len(pairs),
                num_prompts=len(per_prompt),
                prompts=each,
                sums=sums_GC[:, column].tobytes(),
            )
    return found


@dataclass(frozen=True)
class P:
    """The two-sided p of a difference, alone and corrected for its table; see `differences_p`."""

    single: float
    table: float

    @property
    def marks(self) -> int:
        """Number of marks: one below 0.05 over the whole table, two below 0.01."""
        return sum(self.table < level for level in MARK_LEVELS)


MARK_LEVELS = (0.05, 0.01)
"""A difference gets a mark for each level that its p, corrected for the table, is below."""


def table_p(
    differences: Sequence[PairedDifference | None], num_flips: int = NUM_FLIPS, seed: int = 0
) -> list[P | None]:
    """Test all differences of a table together, by flips of the signs of whole prompts.

    Prompts of the same name flip together in all rows and metrics.

    Args:
        differences: the table; None where there is nothing to compare.
        num_flips: see `differences_p`.
        seed: likewise.

    Returns:
        The p-values in order; None where there is no difference or it is 0 on every prompt.
    """
    made = [one for one in differences if one is not None]
    place: dict[str, int] = {}
    for prompts in dict.fromkeys(one.prompts for one in made):
        for prompt in prompts:
            place.setdefault(prompt, len(place))
    differences_GH = np.zeros((len(place), len(made)))
    for column, difference in enumerate(made):
        chosen = [place[prompt] for prompt in difference.prompts]
        differences_GH[chosen, column] = np.frombuffer(difference.sums)
    found = differences_p(differences_GH, num_flips, seed)
    tested = iter(zip(found.single.tolist(), found.table.tolist(), strict=True))
    results: list[P | None] = []
    for one in differences:
        single, table = next(tested) if one is not None else (np.nan, np.nan)
        results.append(None if np.isnan(single) else P(single, table))
    return results
