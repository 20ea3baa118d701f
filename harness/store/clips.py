"""The curves of all videos, of which as many are in memory at once as are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from harness.store.columns import places
from harness.store.score_parts import CURVE_NUMBERS, CurvePart, Drifts, joined_codes


@dataclass(frozen=True)
class ClipPart:
    """The curves of one suite for some units.

    Attributes:
        suite: its name.
        units: the units, by their places among all.
        num_lines: number of lines of each, as in its file.
        load: returns the lines.
    """

    suite: str
    units: np.ndarray
    num_lines: np.ndarray
    load: Callable[[], CurvePart]


@dataclass(frozen=True)
class ClipLines:
    """Lines of curves: by line the place of its unit among those asked for, and the columns.

    Attributes:
        suite: all lines are of this one.
        unit: place of the unit among those asked for, ascending.
        metrics: texts that metric is an index into.
        metric: by line.
        numbers: by name of `CURVE_NUMBERS` the column.
    """

    suite: str
    unit: np.ndarray
    metrics: list[str]
    metric: np.ndarray
    numbers: dict[str, np.ndarray]


@dataclass(frozen=True)
class Clips:
    """The curves of a sweep.

    Attributes:
        parts: of all suites.
        units: all units, which parts name by their places here.
        order: places of the finished units, in the order of the sweep.
    """

    parts: tuple[ClipPart, ...]
    units: pd.Index
    order: np.ndarray

    @cached_property
    def suites(self) -> list[str]:
        """The suites, in order."""
        return list(dict.fromkeys(part.suite for part in self.parts))

    @cached_property
    def rank(self) -> np.ndarray:
        """Place of each unit in `order`; -1 without a video."""
        rank = np.full(len(self.units), -1, np.int32)
        rank[self.order] = np.arange(len(self.order))
        return rank

    @cached_property
    def _part_of(self) -> dict[str, np.ndarray]:
        """By suite and unit the index of its part; -1 without one."""
        found = {suite: np.full(len(self.units), -1, np.int32) for suite in self.suites}
        for index, part in enumerate(self.parts):
            found[part.suite][part.units] = index
        return found

    def places(self, unit_ids: pd.Series | Sequence[str]) -> np.ndarray:
        """Return the places of units among `units`."""
        return places(pd.Series(unit_ids), self.units)

    def have_curves(self, suite: str) -> np.ndarray:
        """Return whether each unit has a curve of a suite."""
        found = np.zeros(len(self.units), bool)
        for part in self.parts:
            if part.suite == suite:
                found[part.units] = part.num_lines > 0
        return found

    def of(self, suite: str, unit_ids: pd.Series | Sequence[str]) -> ClipLines:
        """Return the curves of units, in this order and in that of their files."""
        chosen = self.places(unit_ids)
        return _lines(suite, self._of(suite, chosen), self._numbered(chosen))

    def drift(self, suite: str, unit_ids: pd.Series | Sequence[str]) -> dict[str, Drifts]:
        """Return the drift of units that have any."""
        found: dict[str, Drifts] = {}
        for part in self._of(suite, self.places(unit_ids)):
            found |= part.load().drift
        return {unit_id: found[unit_id] for unit_id in unit_ids if unit_id in found}

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the lines of `harness.store.frames.Sweep.curves`, a frame for each part."""
        for part in self.parts:
            lines = _lines(part.suite, [part], self._numbered(part.units))
            yield _frame([lines], self.units[part.units].tolist())

    def frame(self) -> pd.DataFrame:
        """Return all lines, in the order of suites and units."""
        suites = [[p for p in self.parts if p.suite == suite] for suite in self.suites]
        lines = [_lines(parts[0].suite, parts, self.rank) for parts in suites]
        return _frame([one for one in lines if len(one.unit)], self.units[self.order].tolist())

    def _numbered(self, chosen: np.ndarray) -> np.ndarray:
        """Return by unit its number among the chosen; -1 for others."""
        numbers = np.full(len(self.units), -1, np.int32)
        numbers[chosen] = np.arange(len(chosen))
        return numbers

    def _of(self, suite: str, chosen: np.ndarray) -> list[ClipPart]:
        part_of = self._part_of.get(suite)
        indices = np.unique(part_of[chosen]).tolist() if part_of is not None else []
        return [self.parts[index] for index in indices if index >= 0]


def _lines(suite: str, parts: Sequence[ClipPart], numbers_of: np.ndarray) -> ClipLines:
    loaded = [part.load() for part in parts]
    owners = [np.repeat(numbers_of[part.units], part.num_lines).astype(np.int64) for part in parts]
    unit = np.concatenate([np.empty(0, np.int64), *owners])
    order = np.argsort(unit, kind="stable")
    order = order[np.searchsorted(unit[order], 0) :]
    metrics, metric = joined_codes((part.metrics, part.metric) for part in loaded)
    numbers = {
        name: np.concatenate([np.empty(0), *(part.numbers[index] for part in loaded)])[order]
        for index, name in enumerate(CURVE_NUMBERS)
    }
    return ClipLines(suite, unit[order], metrics, metric[order], numbers)


def _frame(lines: Sequence[ClipLines], units: Sequence[str]) -> pd.DataFrame:
    suites = np.repeat(np.arange(len(lines)), [len(one.unit) for one in lines])
    metrics, metric = joined_codes((one.metrics, one.metric) for one in lines)
    unit = np.concatenate([np.empty(0, np.int64), *(one.unit for one in lines)])
    texts = {
        "suite": _categories([one.suite for one in lines], suites),
        "unit_id": _categories(units, unit),
        "metric": _categories(metrics, metric),
    }
    numbers = {
        name: np.concatenate([np.empty(0), *(one.numbers[name] for one in lines)])
        for name in CURVE_NUMBERS
    }
    return pd.DataFrame(texts | numbers, copy=False)


def _categories(texts: Sequence[str], codes: np.ndarray) -> pd.Categorical:
    """Return a column as sorted categories, those that occur: four bytes a line or less."""
    met, codes = np.unique(codes, return_inverse=True)
    index = pd.Index([texts[code] for code in met], dtype="str")
    found = pd.Categorical.from_codes(codes, index)
    return found.reorder_categories(sorted(index))
