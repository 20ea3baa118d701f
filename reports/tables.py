"""The comparison of all rows of a sweep: one table per suite and duration.

A row is a backbone with a method. A cell is the mean over the row's videos with a standard error
clustered by prompt, because the seeds of one prompt are not independent. Ranks are taken within
each backbone, as in the tables of LongLive-RAG, since methods compete there and backbones do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from eval.statistics import average_ranks, mean_and_stderr
from reports.load import ROW, Sweep
from reports.scores import MetricInfo


@dataclass(frozen=True)
class Cell:
    """One metric of one row.

    Attributes:
        mean: over the videos of the row that have a value; None when no video has one.
        stderr: clustered by prompt; None when there are fewer than two prompts.
        rank: within the backbone, 1 is best, ties averaged; None when a competing row of the
            backbone has no mean.
        best: has the best mean of at least two in its backbone.
        num_prompts, num_videos: what the mean is over.
        reason: why values are missing; None when none is.
    """

    mean: float | None
    stderr: float | None
    num_prompts: int
    num_videos: int
    reason: str | None
    rank: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Row:
    """One backbone with one method.

    Attributes:
        cells: by metric name, in the order of the table's metrics.
        average_rank: mean of the ranks over the metrics that every competing row of the backbone
            has (a row without any value does not compete); None when there is no such metric.
        num_prompts, num_videos: the finished and evaluated videos of the row.
        complete: whether these are all the (prompt, seed) pairs of the table.
        frames_per_s: video frames per second of wall time, end to end, mean over the videos made
            in one go.
        peak_device_mib, peak_host_mib: the largest over videos.
    """

    backbone: str
    method: str
    cells: dict[str, Cell]
    num_prompts: int
    num_videos: int
    complete: bool
    frames_per_s: float | None
    peak_device_mib: float | None
    peak_host_mib: float | None
    average_rank: float | None = None

    @property
    def num_values(self) -> int:
        """How many metrics have a mean."""
        return sum(cell.mean is not None for cell in self.cells.values())


@dataclass(frozen=True)
class Comparison:
    """The table of one suite and duration.

    Attributes:
        num_prompts, num_videos: of a complete row.
    """

    suite: str
    duration_s: float
    metrics: tuple[MetricInfo, ...]
    rows: tuple[Row, ...]
    num_prompts: int
    num_videos: int

    @property
    def name(self) -> str:
        """The stem of the table's files, for example "offline_30s"."""
        return f"{self.suite}_{self.duration_s:g}s"

    def frame(self) -> pd.DataFrame:
        """The table in full precision, one line per row."""
        lines = []
        for row in self.rows:
            line: dict[str, object] = {"backbone": row.backbone, "method": row.method}
            line |= {"num_prompts": row.num_prompts, "num_videos": row.num_videos}
            line |= {"complete": row.complete, "average_rank": row.average_rank}
            for name, cell in row.cells.items():
                line[name] = cell.mean
                line[f"{name}_stderr"] = cell.stderr
                line[f"{name}_rank"] = cell.rank
                line[f"{name}_num_videos"] = cell.num_videos
            line["frames_per_s"] = row.frames_per_s
            line |= {"peak_device_mib": row.peak_device_mib, "peak_host_mib": row.peak_host_mib}
            lines.append(line)
        return pd.DataFrame(lines)


def compare_all(sweep: Sweep) -> list[Comparison]:
    """The tables of every suite and duration that has a number or a reason, in that order."""
    found = sweep.scores[["suite", "duration_s"]].drop_duplicates()
    found = found.sort_values(["suite", "duration_s"])
    return [compare(sweep, suite, duration) for suite, duration in found.itertuples(index=False)]


def compare(sweep: Sweep, suite: str, duration_s: float) -> Comparison:
    """Build the table of one suite and duration (seconds)."""
    chosen = sweep.scores[
        (sweep.scores["suite"] == suite) & (sweep.scores["duration_s"] == duration_s)
    ]
    evaluated = sweep.units[sweep.units["unit_id"].isin(chosen["unit_id"])]
    # What a complete row has: every pair that was planned for any row and evaluated in at least
    # one. A prompt that no row finished is missing everywhere alike and is listed as a failure.
    pairs = set(zip(evaluated["prompt_id"], evaluated["seed"], strict=True))
    metrics = tuple(
        info for name, info in sweep.metrics[suite].items() if name in set(chosen["metric"])
    )
    timings = sweep.whole_timings
    end_to_end = timings[timings["stage"] == "end_to_end"].set_index("unit_id")
    rows = []
    for backbone, method, planned in sweep.rows():
        units = planned[planned["unit_id"].isin(chosen["unit_id"])]
        values = units[["unit_id", "prompt_id"]].merge(chosen, on="unit_id")
        seconds = units["unit_id"].map(end_to_end["seconds"]).astype(float)
        row_pairs = set(zip(units["prompt_id"], units["seed"], strict=True))
        rows.append(
            Row(
                backbone=backbone,
                method=method,
                cells={info.name: _cell(values[values["metric"] == info.name]) for info in metrics},
                num_prompts=units["prompt_id"].nunique(),
                num_videos=len(units),
                complete=row_pairs == pairs,
                frames_per_s=_number((units["num_frames"] / seconds).mean()),
                peak_device_mib=_number(units["peak_device_mib"].max()),
                peak_host_mib=_number(units["peak_host_mib"].max()),
            )
        )
    return Comparison(
        suite=suite,
        duration_s=duration_s,
        metrics=metrics,
        rows=tuple(_ranked(rows, metrics)),
        num_prompts=len({prompt for prompt, _ in pairs}),
        num_videos=len(pairs),
    )


def _cell(values: pd.DataFrame) -> Cell:
    known = values[values["value"].notna()]
    reasons = sorted(set(values["reason"].dropna()))
    if known.empty:
        reason = "; ".join(reasons) or "no finished and evaluated video"
        return Cell(mean=None, stderr=None, num_prompts=0, num_videos=0, reason=reason)
    estimate = mean_and_stderr(known["value"].tolist(), known["prompt_id"].tolist())
    return Cell(
        mean=estimate.mean,
        stderr=estimate.stderr,
        num_prompts=estimate.num_clusters,
        num_videos=estimate.num_values,
        reason="; ".join(reasons) or None,
    )


def _ranked(rows: list[Row], metrics: tuple[MetricInfo, ...]) -> list[Row]:
    """Fill in ranks, best marks and average ranks, backbone by backbone, keeping the order."""
    ranked: dict[tuple[str, str], Row] = {}
    for backbone in dict.fromkeys(row.backbone for row in rows):
        members = [row for row in rows if row.backbone == backbone]
        # A row without any value does not compete, so it takes no metric out of the ranking.
        means = {
            info.name: {row.method: row.cells[info.name].mean for row in members if row.num_values}
            for info in metrics
        }
        ranks = average_ranks(means, {info.name: info.direction for info in metrics})
        best = {info.name: _best(means[info.name].values(), info) for info in metrics}
        for row in members:
            cells = {
                name: replace(
                    cell,
                    rank=ranks.by_metric.get(name, {}).get(row.method),
                    best=cell.mean is not None and cell.mean == best[name],
                )
                for name, cell in row.cells.items()
            }
            ranked[backbone, row.method] = replace(
                row, cells=cells, average_rank=ranks.average.get(row.method)
            )
    return [ranked[row.backbone, row.method] for row in rows]


def _best(means: Iterable[float | None], info: MetricInfo) -> float | None:
    """The best of at least two means."""
    known = [mean for mean in means if mean is not None]
    if len(known) < 2:
        return None
    return max(known) if info.higher_is_better else min(known)


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
