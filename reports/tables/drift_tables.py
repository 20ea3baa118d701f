"""Everything that is made of curves, row by row, so that the curves of one row are in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from eval.statistics.memory import remembered
from harness.store.frames import Sweep
from reports.tables.curves import KEYS, Curves, compared_curves
from reports.tables.drift import POINTS, drift_points
from reports.tables.drift_ends import ENDS, INTERVALS, drift_ends, drift_intervals
from reports.tables.table import Comparison

_COUNTS = {"num_videos": "int64", "num_looping": "Int64", "num_looping_of": "Int64"}


@dataclass(frozen=True)
class DriftTables:
    """The tables of all rows.

    Attributes:
        points: of `reports.tables.drift.drift_points`.
        ends, intervals: of `reports.tables.drift_ends`.
    """

    points: pd.DataFrame
    ends: pd.DataFrame
    intervals: pd.DataFrame


@dataclass
class _Lines:
    """Lines of all rows, with what orders them: suite, first video, line in its file, and row."""

    columns: Sequence[str]
    frames: list[pd.DataFrame] = field(default_factory=list)
    places: list[tuple[str, int, int, int]] = field(default_factory=list)

    def add(self, curves: Curves, lines: pd.DataFrame) -> None:
        """Add the lines of a row."""
        number = len(self.frames)
        self.places += [(curves.suite, *curves.places[key], number) for key in lines.index]
        self.frames.append(lines)

    def frame(self) -> pd.DataFrame:
        """Return all lines, in the order of suites, videos and files."""
        if not self.frames:
            return pd.DataFrame(columns=list(self.columns))
        order = sorted(range(len(self.places)), key=self.places.__getitem__)
        return pd.concat(self.frames, ignore_index=True).iloc[order].reset_index(drop=True)


def drift_tables(sweep: Sweep, comparisons: Sequence[Comparison]) -> DriftTables:
    """Return the tables of the curves that each suite's longest table compares.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables.
    """
    points, ends, intervals = tables = _Lines(POINTS), _Lines(ENDS), _Lines(INTERVALS)
    for curves in compared_curves(sweep, comparisons):
        found = _numbers(
            len(curves.keys),
            [curves.points[name].to_numpy() for name in curves.points],
            list(map(str, curves.points)),
            curves.looping,
        )
        for number, table in enumerate(tables):
            table.add(curves, _labelled(curves, found[found[:, 0] == number], table.columns))
    return DriftTables(points.frame(), ends.frame(), intervals.frame())


@remembered
def _numbers(
    num_keys: int, columns: Sequence[np.ndarray], names: Sequence[str], looping: np.ndarray
) -> np.ndarray:
    """Return the lines of all tables of a row: table, key, and the columns without a label."""
    keys = pd.DataFrame("", index=range(num_keys), columns=KEYS)
    points = pd.DataFrame(dict(zip(names, columns, strict=True)))
    curves = Curves(keys, [], points, looping)
    frames = (drift_points(curves), drift_ends(curves), drift_intervals(curves))
    lines = [frame.drop(columns=KEYS).astype("float64") for frame in frames]
    width = 2 + max(len(frame.columns) for frame in lines)
    found = np.full((sum(map(len, lines)), width), np.nan)
    first = 0
    for number, frame in enumerate(lines):
        own = found[first : first + len(frame)]
        own[:, 0], own[:, 1] = number, frame.index
        own[:, 2 : 2 + len(frame.columns)] = frame.to_numpy()
        first += len(frame)
    return found


def _labelled(curves: Curves, found: np.ndarray, columns: Sequence[str]) -> pd.DataFrame:
    """Return lines of one table of `_numbers` as a frame with the labels of each."""
    names = list(columns)[len(KEYS) :]
    numbers = pd.DataFrame(found[:, 2 : 2 + len(names)], found[:, 1].astype(int), names)
    return curves.labelled(numbers.astype({n: _COUNTS[n] for n in names if n in _COUNTS}))
