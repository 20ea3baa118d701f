"""Plans that are as good as another, between which devices may choose differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from methods.base import ContextPlan

_TIE = 1e-3  # of two similarities, which are cosines


def ties(one: ContextPlan, other: ContextPlan) -> bool:
    """Tell if two plans of a block differ in memory frames of the same similarity, or not at all.

    Another device computes similarities with other last digits, and may choose so.
    """
    if one.scores is None or other.scores is None or len(one.scores) != len(other.scores):
        return False
    return (one.roles, one.writes, one.groups) == (other.roles, other.writes, other.groups) and all(
        abs(score - another) <= _TIE
        for score, another in zip(sorted(one.scores), sorted(other.scores), strict=True)
    )
