"""The comparison table of one suite and duration: rows in groups, and a cell per metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from eval.metric import Kind, MetricInfo
from eval.statistics import Interval, NoInterval, P, PairedDifference
from eval.statistics.power import Reach
from harness.core.durations import plain_duration
from reports.tables.columns import kind_of
from reports.tables.formatting import bounds, column_decimals, error_of, length_stem

Pair = tuple[str, int]
"""A prompt id and a seed."""


@dataclass(frozen=True)
class LeftOut:
    """A pair that is not compared because the row of `method` has no value for it."""

    prompt_id: str
    seed: int
    method: str
    reason: str


@dataclass(frozen=True)
class Versus:
    """The paired difference to the baseline.

    Attributes:
        difference: over the common pairs.
        p: None where no prompt differs.
        reach: which difference the prompts tell; None before the table is marked.
    """

    difference: PairedDifference
    p: P | None = None
    reach: Reach | None = None

    @property
    def marks(self) -> int:
        """Number of marks; see `eval.statistics.P`."""
        return self.p.marks if self.p else 0


@dataclass(frozen=True)
class Cell:
    """One metric of one row.

    Attributes:
        mean: over the pairs of the group that all its rows with this metric have; None without any.
        stderr: clustered by prompt; None for fewer than two prompts.
        num_prompts, num_videos: the mean is over.
        reason: why values are missing; None when none is.
        interval: 95 % bootstrap-t over prompts; None with a reason.
        no_interval: why there is no interval.
        rank: within the group, 1 is best, ties averaged; None when a competing row has no mean, and
            for what does not measure quality.
        best: has the best mean of its group, and the tests rule out that some other is the best.
        near_best: may be the best as well: some best method of the table lacks both marks in at
            most 5 % of tables.
        best_p: of being the best, corrected for the table; None for few prompts.
        versus: the paired difference to the baseline; None for the baseline itself.
    """

    mean: float | None = None
    stderr: float | None = None
    num_prompts: int = 0
    num_videos: int = 0
    reason: str | None = None
    interval: Interval | None = None
    no_interval: NoInterval | None = None
    rank: float | None = None
    best: bool = False
    near_best: bool = False
    best_p: float | None = None
    versus: Versus | None = None


@dataclass(frozen=True)
class Row:
    """One backbone with one method on one prompt set.

    Attributes:
        num_prompts, num_videos: the finished and evaluated videos.
        num_planned: all units, finished or not.
        num_frozen: videos of `num_videos` that stand still, which no mean or rank counts.
        frames_per_s: video frames per second of wall time, end to end, mean over the videos made
            without interruption.
        settings: machines and numbers of threads that these videos were made with.
        peak_device_mib, peak_host_mib: the largest over the videos.
        cells: by metric name, in the order of the table's metrics; empty until rated.
        competes: whether it has enough videos (at least half) to be compared; others have no means.
        complete: whether it has all pairs that any row of the group has.
        average_rank: mean of the ranks over the metrics of quality that every competing row of the
            group has; None when the row does not compete or there is no such metric.
        rank_interval: 95 % bootstrap over prompts; None for few prompts.
    """

    backbone: str
    method: str
    prompt_set: str
    num_prompts: int = 0
    num_videos: int = 0
    num_planned: int = 0
    num_frozen: int = 0
    frames_per_s: float | None = None
    settings: tuple[str, ...] = ()
    peak_device_mib: float | None = None
    peak_host_mib: float | None = None
    cells: Mapping[str, Cell] = field(default_factory=dict)
    competes: bool = False
    complete: bool = False
    average_rank: float | None = None
    rank_interval: Interval | None = None


@dataclass(frozen=True)
class Group:
    """The rows that compete: one backbone on one prompt set.

    Attributes:
        rows: in the order of the sweep.
        pairs: all means are over these.
        left_out: pairs that some competing row lacks, or any row has frozen, with the row and the
            reason.
        baseline: the method that others are compared with; None when it is not among the rows.
    """

    backbone: str
    prompt_set: str
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    left_out: tuple[LeftOut, ...]
    baseline: str | None

    @property
    def num_prompts(self) -> int:
        """Return the number of prompts compared."""
        return len({prompt_id for prompt_id, _ in self.pairs})

    @property
    def settings(self) -> tuple[str, ...]:
        """Return the machines and settings of its rows; speeds compare only within one."""
        return tuple(dict.fromkeys(setting for row in self.rows for setting in row.settings))


@dataclass(frozen=True)
class Comparison:
    """The table of one suite and duration."""

    suite: str
    version: str
    duration_s: float
    metrics: tuple[MetricInfo, ...]
    groups: tuple[Group, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Return the rows of all groups."""
        return tuple(row for group in self.groups for row in group.rows)

    @property
    def kind(self) -> Kind:
        """Return the kind of its numbers."""
        return kind_of(self.metrics)

    @property
    def name(self) -> str:
        """Return the stem of the table's files, for example "offline_30s" or "offline_whole"."""
        return f"{self.suite}_{length_stem(self.duration_s)}"

    def group(self, row: Row) -> Group:
        """Return the group of a row."""
        return next(group for group in self.groups if row in group.rows)

    def decimals(self, metric: str) -> int:
        """Return the decimals of the column of a metric."""
        cells = [row.cells[metric] for row in self.rows]
        return column_decimals([cell.mean for cell in cells], _errors(cells))

    def difference_decimals(self, metric: str) -> int:
        """Return the decimals of the differences of a metric."""
        cells = [row.cells[metric] for row in self.rows]
        differences = [cell.versus.difference for cell in cells if cell.versus]
        return column_decimals([cell.mean for cell in cells], _errors(differences), _errors(cells))

    def frame(self) -> pd.DataFrame:
        """Return the table in full precision, one line per row."""
        return pd.DataFrame([self._line(row) for row in self.rows])

    def _line(self, row: Row) -> dict[str, object]:
        line: dict[str, object] = {
            "backbone": row.backbone,
            "method": row.method,
            "prompt_set": row.prompt_set,
            "duration_s": plain_duration(self.duration_s),
            "suite": self.suite,
            "suite_version": self.version,
            "kind": str(self.kind),
            "num_prompts": row.num_prompts,
            "num_videos": row.num_videos,
            "num_frozen": row.num_frozen,
            "competes": row.competes,
            "complete": row.complete,
            "average_rank": row.average_rank,
            **_bounds("average_rank", row.rank_interval),
        }
        for name, cell in row.cells.items():
            difference = cell.versus.difference if cell.versus else None
            p = cell.versus.p if cell.versus else None
            reach = cell.versus.reach if cell.versus else None
            line |= {
                name: cell.mean,
                f"{name}_stderr": cell.stderr,
                **_bounds(name, cell.interval),
                f"{name}_rank": cell.rank,
                f"{name}_num_videos": cell.num_videos,
                f"{name}_difference": difference.mean if difference else None,
                **_bounds(f"{name}_difference", difference.interval if difference else None),
                f"{name}_p": p.single if p else None,
                f"{name}_p_table": p.table if p else None,
                f"{name}_smallest_detectable": reach.smallest if reach else None,
                f"{name}_prompts_needed": reach.prompts_needed if reach else None,
                f"{name}_best_p": cell.best_p,
                f"{name}_effect_size": difference.effect_size if difference else None,
                f"{name}_win_rate": difference.win_rate if difference else None,
            }
        line |= {"frames_per_s": row.frames_per_s, "made_on": "; ".join(row.settings) or None}
        return line | {"peak_device_mib": row.peak_device_mib, "peak_host_mib": row.peak_host_mib}


def _errors(numbers: Iterable[Cell | PairedDifference]) -> list[float | None]:
    return [error_of(one.interval, one.stderr) for one in numbers]


def _bounds(name: str, interval: Interval | None) -> dict[str, object]:
    low, high = bounds(interval)
    return {f"{name}_low": low, f"{name}_high": high}
