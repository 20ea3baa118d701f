"""Power: the differences that prompts can tell, and the prompts that a difference needs.

Differences are in units of their spread: the standard deviation over prompts of the mean paired
difference of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from scipy.special import ndtri, stdtrit

from eval.statistics.clusters import MIN_CLUSTERS
from eval.statistics.paired import MARK_LEVELS, P, PairedDifference

POWER = 0.8
"""Share of tables in which a difference of the stated size gets its mark."""
MAX_PROMPTS = 100_000


@cache
def detectable_effect(num_prompts: int, num_comparisons: int = 1) -> float | None:
    """Return the smallest difference, in units of its spread, that gets a mark with 80 % power.

    Of Student's t at the level 0.05 / `num_comparisons` (Bonferroni); the step-down of
    `differences_p` needs less when the columns of its table are correlated. Source of the power:
    the normal approximation of the noncentral t distribution (Abramowitz and Stegun 1964, 26.7.10),
    solved for the difference.

    Args:
        num_prompts: prompts compared.
        num_comparisons: differences tested in one table.

    Returns:
        The difference; None for fewer than `MIN_CLUSTERS` prompts, which tell none.
    """
    if num_prompts < MIN_CLUSTERS:
        return None
    degrees = num_prompts - 1
    critical = stdtrit(degrees, 1 - MARK_LEVELS[0] / num_comparisons / 2)
    noise = (1 + critical**2 / (2 * degrees)) ** 0.5
    wanted = critical * (1 - 1 / (4 * degrees)) + ndtri(POWER) * noise
    return float(wanted / num_prompts**0.5)


def prompts_needed(effect: float, num_comparisons: int = 1) -> int | None:
    """Return the fewest prompts that tell a difference of `effect` spreads with 80 % power.

    Args:
        effect: the difference divided by its spread, of either sign.
        num_comparisons: differences tested in one table.

    Returns:
        The number of prompts; None when `MAX_PROMPTS` are too few.
    """
    enough, few = MIN_CLUSTERS, MIN_CLUSTERS - 1
    while not _tells(enough, effect, num_comparisons):
        if enough >= MAX_PROMPTS:
            return None
        enough, few = min(2 * enough, MAX_PROMPTS), enough
    while enough - few > 1:
        middle = (few + enough) // 2
        if _tells(middle, effect, num_comparisons):
            enough = middle
        else:
            few = middle
    return enough


@dataclass(frozen=True)
class Reach:
    """Differences that the prompts can tell, and prompts that the difference seen needs.

    Attributes:
        effect: smallest difference that gets a mark with 80 % power, in units of the spread; None
            for too few prompts.
        smallest: the same in units of the metric; None also where nothing spreads.
        prompts_needed: prompts at which a difference as large as the one seen gets a mark with 80 %
            power; None for more than `MAX_PROMPTS`, or where nothing spreads.
    """

    effect: float | None
    smallest: float | None
    prompts_needed: int | None


def table_reach(
    differences: Sequence[PairedDifference | None], tested: Sequence[P | None]
) -> list[Reach | None]:
    """Return the reach of each difference of a table, given its tests; None where there is none.

    The size seen is uncertain itself: where it came out large by chance, more prompts are needed
    than this says.
    """
    count = max(1, sum(p is not None for p in tested))
    return [_reach(one, count) if one else None for one in differences]


def _reach(difference: PairedDifference, num_comparisons: int) -> Reach:
    effect = detectable_effect(difference.num_prompts, num_comparisons)
    seen = difference.effect_size
    return Reach(
        effect=effect,
        smallest=effect * difference.spread if effect and difference.spread else None,
        prompts_needed=prompts_needed(seen, num_comparisons) if seen else None,
    )


def _tells(num_prompts: int, effect: float, num_comparisons: int) -> bool:
    smallest = detectable_effect(num_prompts, num_comparisons)
    return smallest is not None and abs(effect) >= smallest
