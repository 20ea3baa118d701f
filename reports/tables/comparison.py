"""The comparison of all rows of a sweep: one table per suite and duration.

A row is a backbone with a method on a prompt set. Rows of one backbone and prompt set form a group:
methods compete within it, as in the tables of LongLive-RAG. All numbers of a group are over the
same (prompt, seed) pairs, those that every competing row has, so that no mean differs by its
prompts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from eval.statistics import Interval, PairedDifference
from harness.core.errors import unknown_name
from harness.store.frames import ROW, Sweep, as_dicts
from harness.store.scores import MetricInfo
from reports.tables.boards import Kind, kind_of
from reports.tables.group import Competitor, GroupValues, LeftOut, Versus, rate_group

__all__ = [
    "BASELINE",
    "Cell",
    "Comparison",
    "Group",
    "Interval",
    "PairedDifference",
    "Row",
    "compare",
    "compare_all",
    "timing_table",
]

NEEDED = ["unit_id", "prompt_id", "seed", "reason"]
BASELINE = "sliding_window"
"""The method that others are compared with, where there is one and none is chosen."""


@dataclass(frozen=True)
class Cell:
    """One metric of one row.

    Attributes:
        mean: over the pairs of the group that all its rows with this metric have; None without any.
        stderr: clustered by prompt; None when there are fewer than two prompts.
        interval: 95 % bootstrap over prompts; None for few prompts.
        rank: within the group, 1 is best, ties averaged; None when a competing row has no mean.
        best: has the best mean of at least two in its group.
        near_best: the paired difference to the best is within its 95 % interval's noise.
        versus: the paired difference to the baseline; None for the baseline itself.
        num_prompts, num_videos: what the mean is over.
        reason: why values are missing; None when none is.
    """

    mean: float | None
    stderr: float | None
    num_prompts: int
    num_videos: int
    reason: str | None
    interval: Interval | None = None
    rank: float | None = None
    best: bool = False
    near_best: bool = False
    versus: Versus | None = None


@dataclass(frozen=True)
class Row:
    """One backbone with one method on one prompt set.

    Attributes:
        cells: by metric name, in the order of the table's metrics.
        average_rank: mean of the ranks over the metrics that every competing row of the group has;
            None when the row does not compete or there is no such metric.
        rank_interval: 95 % bootstrap over prompts; None for few prompts.
        num_prompts, num_videos: the finished and evaluated videos of the row.
        num_planned: its units, finished or not.
        num_frozen: videos of `num_videos` that stand still, and so win every consistency.
        competes: whether it has enough videos (at least half) to be compared; others have no means.
        complete: whether it has all (prompt, seed) pairs that any row of the group has.
        frames_per_s: video frames per second of wall time, end to end, mean over the videos made
            in one go.
        peak_device_mib, peak_host_mib: the largest over videos.
    """

    backbone: str
    method: str
    prompt_set: str
    cells: dict[str, Cell]
    num_prompts: int
    num_videos: int
    num_planned: int
    num_frozen: int
    competes: bool
    complete: bool
    frames_per_s: float | None
    peak_device_mib: float | None
    peak_host_mib: float | None
    average_rank: float | None = None
    rank_interval: Interval | None = None

    @property
    def num_values(self) -> int:
        """How many metrics have a mean."""
        return sum(cell.mean is not None for cell in self.cells.values())


@dataclass(frozen=True)
class Group:
    """The rows that compete: one backbone on one prompt set.

    Attributes:
        pairs: the (prompt, seed) pairs that all means are over.
        left_out: pairs that some competing row lacks, with the row and the reason.
        baseline: the method that others are compared with; None when it is not among the rows.
    """

    backbone: str
    prompt_set: str
    pairs: tuple[tuple[str, int], ...]
    left_out: tuple[LeftOut, ...]
    baseline: str | None

    @property
    def num_prompts(self) -> int:
        """Prompts compared."""
        return len({prompt for prompt, _ in self.pairs})


@dataclass(frozen=True)
class Comparison:
    """The table of one suite and duration."""

    suite: str
    version: str
    duration_s: float
    metrics: tuple[MetricInfo, ...]
    rows: tuple[Row, ...]
    groups: tuple[Group, ...]

    @property
    def kind(self) -> Kind:
        """What the numbers are."""
        return kind_of(self.suite)

    @property
    def name(self) -> str:
        """The stem of the table's files, for example "offline_30s"."""
        return f"{self.suite}_{self.duration_s:g}s"

    def group(self, row: Row) -> Group:
        """The group of a row."""
        return next(
            group
            for group in self.groups
            if (group.backbone, group.prompt_set) == (row.backbone, row.prompt_set)
        )

    def frame(self) -> pd.DataFrame:
        """The table in full precision, one line per row."""
        lines = []
        for row in self.rows:
            line: dict[str, object] = {"backbone": row.backbone, "method": row.method}
            line |= {"prompt_set": row.prompt_set, "duration_s": self.duration_s}
            line |= {"suite": self.suite, "suite_version": self.version, "kind": str(self.kind)}
            line |= {"num_prompts": row.num_prompts, "num_videos": row.num_videos}
            line |= {
                "num_frozen": row.num_frozen,
                "competes": row.competes,
                "complete": row.complete,
            }
            line |= {"average_rank": row.average_rank} | _bounds("average_rank", row.rank_interval)
            for name, cell in row.cells.items():
                line |= {name: cell.mean, f"{name}_stderr": cell.stderr}
                line |= _bounds(name, cell.interval)
                line |= {f"{name}_rank": cell.rank, f"{name}_num_videos": cell.num_videos}
                versus = cell.versus
                line[f"{name}_difference"] = versus.difference.mean if versus else None
                line |= _bounds(
                    f"{name}_difference", versus.difference.interval if versus else None
                )
                line[f"{name}_p"] = versus.difference.p if versus else None
                line[f"{name}_p_holm"] = versus.p_holm if versus else None
                line[f"{name}_effect_size"] = versus.difference.effect_size if versus else None
                line[f"{name}_win_rate"] = versus.difference.win_rate if versus else None
            line["frames_per_s"] = row.frames_per_s
            line |= {"peak_device_mib": row.peak_device_mib, "peak_host_mib": row.peak_host_mib}
            lines.append(line)
        return pd.DataFrame(lines)


def _bounds(name: str, interval: Interval | None) -> dict[str, object]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def compare_all(sweep: Sweep, baseline: str | None = None) -> list[Comparison]:
    """The tables of every suite and duration that has a number or a reason, in that order.

    Raises:
        LongtakeError: no method is called `baseline`.
    """
    found = sweep.scores[["suite", "duration_s"]].drop_duplicates()
    found = found.sort_values(["suite", "duration_s"])
    return [
        compare(sweep, suite, duration, baseline)
        for suite, duration in found.itertuples(index=False)
    ]


def compare(sweep: Sweep, suite: str, duration_s: float, baseline: str | None = None) -> Comparison:
    """Build the table of one suite and duration (seconds).

    Args:
        sweep: what was loaded.
        suite: its name.
        duration_s: which of the scored durations.
        baseline: the method to compare with; `BASELINE` where there is one, else the first.

    Raises:
        LongtakeError: no method is called `baseline`.
    """
    if baseline is not None and baseline not in sweep.methods:
        raise unknown_name("baseline method", baseline, sweep.methods)
    chosen = sweep.scores[
        (sweep.scores["suite"] == suite) & (sweep.scores["duration_s"] == duration_s)
    ]
    met = set(chosen["metric"])
    metrics = tuple(info for name, info in sweep.metrics[suite].items() if name in met)
    values: dict[str, dict[str, float | None]] = {}
    for unit_id, metric, value in chosen[["unit_id", "metric", "value"]].itertuples(index=False):
        values.setdefault(unit_id, {})[metric] = value if np.isfinite(value) else None
    missing = chosen[chosen["reason"].notna()]
    reasons = {
        (unit_id, metric): reason
        for unit_id, metric, reason in missing[["unit_id", "metric", "reason"]].itertuples(
            index=False
        )
    }
    speed = _frames_per_s(sweep)
    rows: list[Row] = []
    groups: list[Group] = []
    for (backbone, prompt_set), units in sweep.units.groupby(
        ["backbone", "prompt_set"], sort=False
    ):
        competitors = [
            Competitor.of(str(method), as_dicts(of_method[NEEDED]), values, metrics, reasons)
            for method, of_method in units.groupby("method", sort=False)
        ]
        rated = rate_group(competitors, metrics, baseline, BASELINE)
        groups.append(_group(str(backbone), str(prompt_set), rated))
        for competitor, line in zip(competitors, rated.rows, strict=True):
            of_row = units[units["method"] == competitor.method]
            done = of_row[[unit_id in values for unit_id in of_row["unit_id"]]]
            rows.append(
                Row(
                    backbone=str(backbone),
                    method=competitor.method,
                    prompt_set=str(prompt_set),
                    cells={
                        info.name: Cell(**vars(cell))
                        for info, cell in zip(metrics, line.cells, strict=True)
                    },
                    num_prompts=done["prompt_id"].nunique(),
                    num_videos=len(done),
                    num_planned=len(of_row),
                    num_frozen=sum((unit, duration_s) in sweep.frozen for unit in done["unit_id"]),
                    competes=line.competes,
                    complete=line.complete,
                    frames_per_s=_number(done["unit_id"].map(speed).astype(float).mean()),
                    peak_device_mib=_number(done["peak_device_mib"].max()),
                    peak_host_mib=_number(done["peak_host_mib"].max()),
                    average_rank=line.average_rank,
                    rank_interval=line.rank_interval,
                )
            )
    version = sweep.versions[suite][0]
    return Comparison(suite, version, duration_s, metrics, tuple(rows), tuple(groups))


def _group(backbone: str, prompt_set: str, rated: GroupValues) -> Group:
    return Group(backbone, prompt_set, rated.pairs, rated.left_out, rated.baseline)


def _frames_per_s(sweep: Sweep) -> pd.Series:
    """Frames per second of each unit made in one go."""
    timings = sweep.whole_timings
    seconds = timings[timings["stage"] == "end_to_end"].set_index("unit_id")["seconds"]
    frames = sweep.units.drop_duplicates("unit_id").set_index("unit_id")["num_frames"]
    return (frames / seconds).dropna()


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def timing_table(sweep: Sweep) -> pd.DataFrame:
    """Mean seconds per stage over the videos made in one go, one line per row that has some."""
    timings = sweep.whole_timings
    stages = timings.pivot(index="unit_id", columns="stage", values="seconds")
    stages = stages[list(dict.fromkeys(timings["stage"]))]
    units = sweep.units.join(stages, on="unit_id", how="inner")
    rows = units.groupby(ROW, sort=False)
    table = rows[list(stages.columns)].mean()
    table.insert(0, "num_videos", rows.size())
    table.insert(1, "device", rows["device"].agg(lambda names: ", ".join(sorted(set(names)))))
    return table.reset_index()
