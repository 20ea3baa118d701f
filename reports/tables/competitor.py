"""The videos of one row of a table, before the rows are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.tables.table import Pair, Row
from reports.tables.values import TableValues

_UNSCORED = "not evaluated"
FROZEN = "frozen: at least half of its clips show no motion"


class _Values(Mapping[str, Mapping[Pair, float]]):
    """Values by metric, as a dictionary when it is asked for: those of all metrics are large.

    Args:
        names: the metrics.
        pairs: the videos; of two with one pair the last known value counts.
        values_VM: their values; NaN where there is none.
    """

    def __init__(self, names: Sequence[str], pairs: Sequence[Pair], values_VM: np.ndarray) -> None:
        self._columns = {name: column for column, name in enumerate(names)}
        self._pairs = pairs
        self._values_VM = values_VM

    def __getitem__(self, name: str) -> dict[Pair, float]:
        values = self._values_VM[:, self._columns[name]]
        known = np.isfinite(values).tolist()
        return {
            pair: value
            for pair, value, is_known in zip(self._pairs, values.tolist(), known, strict=True)
            if is_known
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


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
    def of(cls, row: Row, units: pd.DataFrame, numbers: TableValues) -> Competitor:
        """Collect the values of the units of a row.

        Args:
            row: not rated yet.
            units: prompt_id, seed and reason of its units, and their place in `numbers`.
            numbers: of the table.
        """
        place = units["place"].to_numpy()
        prompts = pd.Categorical(units["prompt_id"])
        texts = prompts.categories.tolist()  # each once: there are many units of a prompt
        pairs = [
            (texts[code], seed)
            for code, seed in zip(prompts.codes, units["seed"].tolist(), strict=True)
        ]
        is_scored, is_frozen = numbers.is_scored_U[place], numbers.is_frozen_U[place]
        evaluated = np.flatnonzero(is_scored)
        names = [info.name for info in numbers.metrics]
        reasons: dict[str, tuple[str, ...]] = {}
        for column, name in enumerate(names):
            codes = np.unique(numbers.reason_UM[place[evaluated], column])
            reasons[name] = tuple(sorted(numbers.reasons[code] for code in codes if code >= 0))
        absent = np.flatnonzero(~is_scored)
        why = units["reason"].iloc[absent]
        return cls(
            row=row,
            values=_Values(
                names,
                [pairs[line] for line in evaluated.tolist()],
                numbers.values_UM[place[evaluated]],
            ),
            evaluated=frozenset(pairs[line] for line in evaluated.tolist()),
            reasons=reasons,
            absent={
                pairs[line]: FROZEN if still else reason if isinstance(reason, str) else _UNSCORED
                for line, still, reason in zip(
                    absent.tolist(), is_frozen[absent].tolist(), why, strict=True
                )
            },
            frozen=frozenset(pairs[line] for line in np.flatnonzero(is_frozen).tolist()),
        )


def frozen_words(num_frozen: int, num_videos: int) -> str:
    """Say how many of some videos stand still."""
    return f"{num_frozen} of {num_videos} videos {'is' if num_frozen == 1 else 'are'} frozen"
