"""Comparison of two methods on the same prompts, seeds and noise."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from eval.statistics.clusters import (
    NUM_RESAMPLES,
    Interval,
    bootstrap_interval,
    cluster_sums,
    mean_and_stderr,
)
from eval.statistics.signed_rank import wilcoxon


class PairedDifference(NamedTuple):
    """Difference of two methods over their common pairs.

    Attributes:
        mean: mean of (method - baseline) over the pairs.
        stderr: clustered by prompt; None for one prompt.
        interval: 95 % bootstrap over prompts; None for few prompts.
        p: of the signed-rank test over the means per prompt; None when nothing differs.
        effect_size: mean over standard deviation of the means per prompt (Cohen's d for pairs);
            None for one prompt or no spread.
        win_rate: share of pairs in which the method is better, a tie counting half.
        num_pairs: number of pairs.
        num_prompts: number of prompts among them.
    """

    mean: float
    stderr: float | None
    interval: Interval | None
    p: float | None
    effect_size: float | None
    win_rate: float
    num_pairs: int
    num_prompts: int


# A prompt, and what else two paired videos share, such as the seed of their noise.
Pair = TypeVar("Pair", bound=tuple[str, Hashable])


def paired_difference(
    method: Mapping[Pair, float],
    baseline: Mapping[Pair, float],
    higher_is_better: bool,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> PairedDifference | None:
    """Compare two methods over the pairs that both have.

    Args:
        method: value of each pair, say (prompt, seed).
        baseline: likewise.
        higher_is_better: direction of the metric, for the win rate.
        num_resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The comparison; None if they share no pair.
    """
    pairs = [pair for pair in method if pair in baseline]
    if not pairs:
        return None
    differences = [method[pair] - baseline[pair] for pair in pairs]
    prompts = [prompt for prompt, _ in pairs]
    estimate = mean_and_stderr(differences, prompts)
    sums, counts = cluster_sums(differences, prompts)
    per_prompt = sums / counts
    spread = per_prompt.std(ddof=1) if len(per_prompt) > 1 else 0.0
    gains = np.array(differences) * (1 if higher_is_better else -1)
    return PairedDifference(
        mean=estimate.mean,
        stderr=estimate.stderr,
        interval=bootstrap_interval(differences, prompts, num_resamples=num_resamples, seed=seed),
        p=wilcoxon(per_prompt.tolist()),
        effect_size=float(per_prompt.mean() / spread) if spread > 0 else None,
        win_rate=float(((gains > 0) + 0.5 * (gains == 0)).mean()),
        num_pairs=len(pairs),
        num_prompts=len(per_prompt),
    )
