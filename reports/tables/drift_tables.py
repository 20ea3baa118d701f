"""Everything that is made of curves, row by row, so that the curves of one row are in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from harness.store.frames import Sweep
from reports.tables.curves import Curves, compared_curves
from reports.tables.drift import POINTS, drift_points
from reports.tables.drift_ends import ENDS, INTERVALS, drift_ends, drift_intervals
from reports.tables.table import Comparison


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
    points, ends, intervals = _Lines(POINTS), _Lines(ENDS), _Lines(INTERVALS)
    for curves in compared_curves(sweep, comparisons):
        points.add(curves, drift_points(curves))
        ends.add(curves, drift_ends(curves))
        intervals.add(curves, drift_intervals(curves))
    return DriftTables(points.frame(), ends.frame(), intervals.frame())
