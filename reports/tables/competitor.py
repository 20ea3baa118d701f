"""The videos of one row of a table, before the rows are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from eval.metric import MetricInfo
from reports.tables.table import Pair, Row

_UNSCORED = "not evaluated"
FROZEN = "frozen: at least half of its clips show no motion"


@dataclass(frozen=True)
class Competitor:
    """The videos of one row.

    Attributes:
        row: its labels and costs, not rated yet.
        values: by metric the value of each pair that has one.
        evaluated: pairs of the finished and evaluated videos that move.
        reasons: why pairs have no value, by metric.
        absent: why a pair has no evaluated video.
        frozen: pairs whose video stands still.
    """

    row: Row
    values: Mapping[str, Mapping[Pair, float]]
    evaluated: frozenset[Pair]
    reasons: Mapping[str, tuple[str, ...]]
    absent: Mapping[Pair, str]
    frozen: frozenset[Pair] = frozenset()

    @property
    def method(self) -> str:
        """Return the label of its method, which no other competitor has."""
        return self.row.method

    @classmethod
    def of(
        cls,
        row: Row,
        units: Sequence[Mapping[str, Any]],
        values: Mapping[str, Mapping[str, float | None]],
        metrics: Sequence[MetricInfo],
        reasons: Mapping[tuple[str, str], str],
        frozen: Set[str],
    ) -> Competitor:
        """Collect the values of the units of a row.

        Args:
            row: not rated yet.
            units: lines of `Sweep.units`.
            values: by evaluated unit that moves the value of each metric; None where null.
            metrics: the columns to take.
            reasons: why a (unit, metric) is null.
            frozen: evaluated units that stand still.
        """
        pairs = {unit["unit_id"]: (unit["prompt_id"], unit["seed"]) for unit in units}
        evaluated = [unit_id for unit_id in pairs if unit_id in values]
        return cls(
            row=row,
            values={
                info.name: {
                    pairs[unit_id]: value
                    for unit_id in evaluated
                    if (value := values[unit_id].get(info.name)) is not None
                }
                for info in metrics
            },
            evaluated=frozenset(pairs[unit_id] for unit_id in evaluated),
            reasons={
                info.name: tuple(
                    sorted({reasons[u, info.name] for u in evaluated if (u, info.name) in reasons})
                )
                for info in metrics
            },
            absent={
                pairs[unit["unit_id"]]: _why_absent(unit, frozen)
                for unit in units
                if unit["unit_id"] not in values
            },
            frozen=frozenset(pair for unit_id, pair in pairs.items() if unit_id in frozen),
        )


def frozen_words(num_frozen: int, num_videos: int) -> str:
    """Say how many of some videos stand still."""
    return f"{num_frozen} of {num_videos} videos {'is' if num_frozen == 1 else 'are'} frozen"


def _why_absent(unit: Mapping[str, Any], frozen: Set[str]) -> str:
    if unit["unit_id"] in frozen:
        return FROZEN
    return unit["reason"] if isinstance(unit["reason"], str) else _UNSCORED
