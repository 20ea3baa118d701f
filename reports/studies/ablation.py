"""The comparisons of an experiment: rows against the reference of their axis, video by video.

Differences are paired (same backbone, prompt and seed) and clustered by prompt. A difference gets
one mark if its 95 % interval excludes zero, and two if the exact signed-rank test over prompts,
corrected for all comparisons of the table (Holm), is significant as well. With fewer than
`eval.statistics.MIN_CLUSTERS` prompts there are no marks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import pandas as pd

from eval.metric import MetricInfo
from eval.statistics import Interval, holm, paired_difference
from harness.core.errors import StoreError
from harness.core.typed_files import read_typed
from harness.store.experiment import StoredExperiment
from harness.store.frames import Sweep
from harness.store.paths import StorePaths
from reports.studies.retrieved import retrieved_measures
from reports.tables.table import P_LEVEL

ALL = "all backbones"
_Pair = tuple[str, tuple[str, int]]  # the prompt; backbone and seed


@dataclass(frozen=True)
class RowComparison:
    """One row of one axis in one metric.

    Attributes:
        axis: name of the axis.
        duration_s: of the videos compared.
        backbone: label, or ALL.
        row: label of the method.
        reference: the row it is compared with; its own label for the reference itself.
        metric: name of the metric.
        mean: over the videos of the row; None with a reason.
        difference: mean of row minus reference over their common videos; None for the reference.
        interval: 95 % interval of the difference; None for few prompts.
        p: of the signed-rank test over the mean differences of the prompts; None if none differs.
        p_holm: corrected over all comparisons of the table.
        better: whether the difference is an improvement; None where the metric has no direction.
        num_videos, num_prompts: size of the difference, or of the mean for the reference.
        reason: why there is no number.
    """

    axis: str
    duration_s: float
    backbone: str
    row: str
    reference: str
    metric: MetricInfo
    mean: float | None
    difference: float | None
    interval: Interval | None
    p: float | None
    p_holm: float | None
    better: bool | None
    num_videos: int
    num_prompts: int
    reason: str | None

    @property
    def marks(self) -> int:
        """Number of marks, 0 to 2; see the module."""
        if self.interval is None or self.interval.low <= 0 <= self.interval.high:
            return 0
        return 2 if self.p_holm is not None and self.p_holm < P_LEVEL else 1


@dataclass(frozen=True)
class Ablation:
    """A whole experiment: its axes and durations in order, and all comparisons."""

    name: str
    axes: dict[str, tuple[str, ...]]
    metrics: tuple[MetricInfo, ...]
    durations_s: tuple[float, ...]
    comparisons: tuple[RowComparison, ...]
    num_missing: int

    def of(self, axis: str, duration_s: float, backbone: str) -> list[RowComparison]:
        """Return the comparisons of one table."""
        table = (axis, duration_s, backbone)
        return [c for c in self.comparisons if (c.axis, c.duration_s, c.backbone) == table]


def compare_rows(sweep: Sweep) -> Ablation:
    """Compute all comparisons of an experiment.

    Retrieval measures need no scores; they are compared over the whole of the longest videos.

    Raises:
        StoreError: the sweep is not an experiment, or there is nothing to compare yet.
    """
    path = StorePaths(sweep.folder).experiment_path
    try:
        experiment = read_typed(path, StoredExperiment)
    except FileNotFoundError as error:
        raise StoreError(f"{sweep.folder} is not an experiment: it has no {path.name}.") from error
    values, metrics = _values(sweep)
    if values.empty:
        raise StoreError(
            f"{sweep.folder}: nothing to compare yet; no video is scored or has retrieved frames."
        )
    durations_s = tuple(sorted(float(value) for value in values["duration_s"].unique()))
    comparisons = tuple(
        comparison
        for axis, rows in experiment.axes.items()
        for duration_s in durations_s
        for backbone in (ALL, *sweep.backbones)
        for comparison in _compare_table(values, metrics, _Table(axis, duration_s, backbone, rows))
    )
    missing = int((sweep.units["status"] != "done").sum())
    return Ablation(experiment.name, experiment.axes, metrics, durations_s, comparisons, missing)


def _values(sweep: Sweep) -> tuple[pd.DataFrame, tuple[MetricInfo, ...]]:
    """Return one line per video, duration, row and metric: scores and retrieval measures."""
    infos = {info.name: info for suite in sweep.metrics.values() for info in suite.values()}
    scores = sweep.scores[["unit_id", "duration_s", "metric", "value"]]
    retrieved, more = retrieved_measures(sweep)
    longest = sweep.units["duration_s"] if scores.empty else scores["duration_s"]
    retrieved = retrieved.assign(duration_s=longest.max())
    values = pd.concat([part for part in (scores, retrieved) if len(part)] or [scores])
    labels = sweep.units[["unit_id", "method", "backbone", "prompt_id", "seed"]]
    return labels.merge(values, on="unit_id").dropna(subset="value"), (*infos.values(), *more)


@dataclass(frozen=True)
class _Table:
    axis: str
    duration_s: float
    backbone: str
    rows: Sequence[str]


def _compare_table(
    values: pd.DataFrame, metrics: Sequence[MetricInfo], table: _Table
) -> list[RowComparison]:
    """Return the comparisons of one table, with p-values corrected for each other."""
    chosen = values[values["duration_s"] == table.duration_s]
    if table.backbone != ALL:
        chosen = chosen[chosen["backbone"] == table.backbone]
    made = []
    for metric in metrics:
        of_metric = chosen[chosen["metric"] == metric.name]
        by_row = {row: _by_pair(of_metric[of_metric["method"] == row]) for row in table.rows}
        made += [_compare_row(by_row, metric, table, row) for row in table.rows]
    adjusted = holm([comparison.p for comparison in made])
    return [replace(one, p_holm=p) for one, p in zip(made, adjusted, strict=True)]


def _by_pair(values: pd.DataFrame) -> dict[_Pair, float]:
    columns = (values[name] for name in ("backbone", "prompt_id", "seed", "value"))
    return {
        (str(prompt), (backbone, seed)): float(value)
        for backbone, prompt, seed, value in zip(*columns, strict=True)
    }


def _compare_row(
    by_row: Mapping[str, Mapping[_Pair, float]], metric: MetricInfo, table: _Table, row: str
) -> RowComparison:
    own, reference = by_row[row], table.rows[0]
    found, reason = None, None
    if row != reference:
        found = paired_difference(own, by_row[reference], metric.higher_is_better)
        reason = None if found else f"no video in common with {reference}"
    if not own:
        reason = "no value for this row"
    pairs = own.keys() & by_row[reference].keys()
    return RowComparison(
        axis=table.axis,
        duration_s=table.duration_s,
        backbone=table.backbone,
        row=row,
        reference=reference,
        metric=metric,
        mean=fmean(own.values()) if own else None,
        difference=found.mean if found else None,
        interval=found.interval if found else None,
        p=found.p if found else None,
        p_holm=None,
        better=(found.mean > 0) == metric.higher_is_better if found else None,
        num_videos=len(pairs),
        num_prompts=len({prompt for prompt, _ in pairs}),
        reason=reason,
    )
