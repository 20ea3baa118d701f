"""The curves of all videos, of which as many are in memory at once as are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from harness.store.score_parts import CURVE_NUMBERS, CurvePart, Drifts, joined_codes


@dataclass(frozen=True)
class ClipPart:
    """The curves of one suite for some units.

    Attributes:
        suite: its name.
        units: the units.
        num_lines: number of lines of each, as in its file.
        load: returns the lines.
    """

    suite: str
    units: tuple[str, ...]
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
        units: all units, in the order of the sweep.
    """

    parts: tuple[ClipPart, ...]
    units: tuple[str, ...]

    @cached_property
    def suites(self) -> list[str]:
        """The suites, in order."""
        return list(dict.fromkeys(part.suite for part in self.parts))

    @cached_property
    def _part_of(self) -> dict[tuple[str, str], int]:
        return {
            (part.suite, unit_id): index
            for index, part in enumerate(self.parts)
            for unit_id in part.units
        }

    def with_curves(self, suite: str) -> set[str]:
        """Return the units that have a curve of a suite."""
        return {
            unit_id
            for part in self.parts
            if part.suite == suite
            for unit_id, count in zip(part.units, part.num_lines.tolist(), strict=True)
            if count
        }

    def of(self, suite: str, unit_ids: Sequence[str]) -> ClipLines:
        """Return the curves of units, in this order and in that of their files."""
        places = {unit_id: place for place, unit_id in enumerate(unit_ids)}
        return _lines(suite, self._of(suite, unit_ids), places)

    def drift(self, suite: str, unit_ids: Sequence[str]) -> dict[str, Drifts]:
        """Return the drift of units that have any."""
        found: dict[str, Drifts] = {}
        for part in self._of(suite, unit_ids):
            found |= part.load().drift
        return {unit_id: found[unit_id] for unit_id in unit_ids if unit_id in found}

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the lines of `harness.store.frames.Sweep.curves`, a frame for each part."""
        for part in self.parts:
            places = {unit_id: place for place, unit_id in enumerate(part.units)}
            yield _frame([_lines(part.suite, [part], places)], part.units)

    def frame(self) -> pd.DataFrame:
        """Return all lines, in the order of suites and units."""
        places = {unit_id: place for place, unit_id in enumerate(self.units)}
        suites = [[p for p in self.parts if p.suite == suite] for suite in self.suites]
        lines = [_lines(parts[0].suite, parts, places) for parts in suites]
        return _frame([one for one in lines if len(one.unit)], self.units)

    def _of(self, suite: str, unit_ids: Sequence[str]) -> list[ClipPart]:
        indices = {self._part_of.get((suite, unit_id)) for unit_id in unit_ids}
        return [self.parts[index] for index in sorted(i for i in indices if i is not None)]


def _lines(suite: str, parts: Sequence[ClipPart], places: dict[str, int]) -> ClipLines:
    loaded = [part.load() for part in parts]
    owners = [
        np.repeat([places.get(u, -1) for u in part.units], part.num_lines).astype(np.int64)
        for part in parts
    ]
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
