"""The lines of frames of scores, collected part by part and put into the order of the sweep."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.store.columns import Coded, categories, numbers_of_runs
from harness.store.score_parts import ScorePart, or_nan


class ScoreLines:
    """The lines of `harness.store.frames.Sweep.scores`, in 25 bytes each."""

    def __init__(self) -> None:
        self._suites, self._metrics = _Numbers(), _Numbers()
        self._reasons, self._durations_s = _Numbers(), _Numbers()
        self._parts: list[_Part] = []

    def add(self, suite: str, part: ScorePart, places: np.ndarray) -> None:
        """Add a part, of units at some places."""
        durations_s, duration = np.unique(part.duration_s, return_inverse=True)
        self._parts.append(
            _Part(
                suite=self._suites.of([suite])[0],
                places=places,
                num_lines=part.num_lines,
                duration=self._durations_s.of(durations_s.tolist())[duration],
                metric=self._metrics.of(part.metrics)[part.metric],
                reason=self._reasons.of(part.reasons)[part.reason],
                value=part.value,
            )
        )

    def frame(
        self, units: pd.CategoricalDtype, rank: np.ndarray, frozen: Set[tuple[str, float]]
    ) -> pd.DataFrame:
        """Return the frame, once all are read: any suite may know that a video stands still.

        Args:
            units: all units as categories.
            rank: place of each unit in the order of the sweep.
            frozen: videos that stand still, with the duration.
        """
        starts_SU = self._starts(len(rank), rank)
        size = sum(len(part.value) for part in self._parts)
        suite, unit = np.empty(size, np.int16), np.empty(size, np.int32)
        metric, reason = np.empty(size, np.int16), np.empty(size, np.int32)
        duration_s, value = np.empty(size), np.empty(size)
        all_durations_s = np.array(self._durations_s.values, float)
        while self._parts:
            part = self._parts.pop()  # what is copied needs no memory any more
            line = numbers_of_runs(starts_SU[part.suite, part.places], part.num_lines)
            suite[line] = part.suite
            unit[line] = np.repeat(part.places, part.num_lines)
            duration_s[line] = all_durations_s[part.duration]
            metric[line], reason[line] = part.metric, part.reason
            value[line] = part.value
        columns = {
            "suite": categories(self._suites.values, suite),
            "unit_id": pd.Categorical.from_codes(unit, dtype=units),
            "duration_s": duration_s,
            "metric": categories(self._metrics.values, metric),
            "value": value,
            "reason": categories(self._reasons.values, reason),
            "frozen": _flags(units.categories, unit, duration_s, frozen),
        }
        return pd.DataFrame(columns, copy=False)

    def _starts(self, num_units: int, rank: np.ndarray) -> np.ndarray:
        """Return the first line of each unit, by suite: suites in order, units by rank."""
        lines_SU = np.zeros((len(self._suites.values), num_units), np.int64)
        for part in self._parts:
            lines_SU[part.suite, part.places] = part.num_lines
        order = np.argsort(rank, kind="stable")
        ordered = lines_SU[:, order].ravel()
        starts_SU = np.empty_like(lines_SU)
        starts_SU[:, order] = (np.cumsum(ordered) - ordered).reshape(lines_SU.shape)
        return starts_SU


class UnitLines:
    """Lines of a frame that only some units have: its suite, its unit, a metric, and numbers.

    Args:
        columns: suite, unit_id, and the others, of which metric is a text.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._suites, self._ranks, self._metrics = Coded(), array("i"), Coded()
        self._numbers = {name: array("d") for name in columns[2:] if name != "metric"}

    def add(self, suite: str, rank: int, lines: Iterable[tuple[Any, ...]]) -> None:
        """Add the lines of a unit, suites in order.

        Args:
            suite: its suite.
            rank: place of the unit in the order of the sweep.
            lines: the columns after unit_id; None where a number is null.
        """
        for line in lines:
            self._suites.add(suite)
            self._ranks.append(rank)
            for name, value in zip(self._columns[2:], line, strict=True):
                if name == "metric":
                    self._metrics.add(value)
                else:
                    self._numbers[name].append(or_nan(value))

    def frame(self, units: pd.CategoricalDtype, order: np.ndarray) -> pd.DataFrame:
        """Return the lines by suite, in the order of the sweep.

        Args:
            units: all units as categories.
            order: the units of the sweep by rank, as places in `units`.
        """
        ranks = np.asarray(self._ranks)
        suites, metrics = self._suites.texts(), self._metrics.texts()
        by_rank = np.lexsort((ranks, suites.codes))
        columns = {
            "suite": suites[by_rank],
            "unit_id": pd.Categorical.from_codes(order[ranks[by_rank]], dtype=units),
            "metric": metrics[by_rank],
            **{name: np.asarray(column)[by_rank] for name, column in self._numbers.items()},
        }
        return pd.DataFrame({name: columns[name] for name in self._columns}, copy=False)


@dataclass(frozen=True)
class _Part:
    """Lines of units at some places; texts and durations by their numbers."""

    suite: int
    places: np.ndarray
    num_lines: np.ndarray
    duration: np.ndarray
    metric: np.ndarray
    reason: np.ndarray
    value: np.ndarray


class _Numbers:
    """Distinct values, numbered in the order in which they were met."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    @property
    def values(self) -> list[Any]:
        """The values."""
        return list(self._numbers)

    def of(self, values: Iterable[Any]) -> np.ndarray:
        """Return the numbers of values, and -1 behind them, to which an index of -1 leads."""
        found = [self._numbers.setdefault(value, len(self._numbers)) for value in values]
        return np.array([*found, -1], np.min_scalar_type(-1 - len(self._numbers)))


def _flags(
    units: pd.Index, unit: np.ndarray, duration_s: np.ndarray, frozen: Set[tuple[str, float]]
) -> np.ndarray:
    """Return which lines are of a video that stands still over their duration."""
    found = np.zeros(len(unit), bool)
    if frozen:
        still = np.isin(unit, np.flatnonzero(units.isin({unit_id for unit_id, _ in frozen})))
        for line in np.flatnonzero(still):
            found[line] = (units[unit[line]], duration_s[line]) in frozen
    return found
