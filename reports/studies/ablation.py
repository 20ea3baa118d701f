"""The comparisons of an experiment: rows against the reference of their axis, video by video.

Differences are paired (same backbone, prompt and seed) and clustered by prompt. The tests of a
table (all rows and metrics of one axis and duration, on one backbone or all) are one family: see
`eval.statistics.table_p`. Fewer than `eval.statistics.MIN_CLUSTERS` prompts cannot reach a mark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import pandas as pd

from eval.metric import MetricInfo
from eval.statistics import P, PairedDifference, paired_differences, table_p
from eval.statistics.power import Reach, table_reach
from harness.core.errors import StoreError
from harness.core.typed_files import read_typed
from harness.store.experiment import StoredExperiment
from harness.store.frames import Sweep
from harness.store.paths import StorePaths
from reports.studies.retrieved import retrieved_measures

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
        difference: row minus reference over their common videos; None for the reference.
        better: whether the difference is an improvement; None where the metric has no direction.
        num_videos, num_prompts: size of the difference, or of the mean for the reference.
        reason: why there is no number.
        p: of the difference; None if no prompt differs.
        reach: which difference the prompts tell; None without any.
    """

    axis: str
    duration_s: float
    backbone: str
    row: str
    reference: str
    metric: MetricInfo
    mean: float | None
    difference: PairedDifference | None
    better: bool | None
    num_videos: int
    num_prompts: int
    reason: str | None
    p: P | None = None
    reach: Reach | None = None

    @property
    def marks(self) -> int:
        """Number of marks, 0 to 2; see `eval.statistics.P`."""
        return self.p.marks if self.p else 0


@dataclass(frozen=True)
class Ablation:
    """A whole experiment: its axes and durations in order, and all comparisons.

    Attributes:
        num_missing: units without a video.
        num_frozen: videos that stand still over some duration, and do not count there.
    """

    name: str
    axes: dict[str, tuple[str, ...]]
    metrics: tuple[MetricInfo, ...]
    durations_s: tuple[float, ...]
    comparisons: tuple[RowComparison, ...]
    num_missing: int
    num_frozen: int

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
    frozen = len({unit_id for unit_id, _ in sweep.frozen})
    return Ablation(
        experiment.name, experiment.axes, metrics, durations_s, comparisons, missing, frozen
    )


def _values(sweep: Sweep) -> tuple[pd.DataFrame, tuple[MetricInfo, ...]]:
    """Return one line per video, duration, row and metric: scores and retrieval measures.

    Without the durations over which a video stands still: a broken row must not win.
    """
    infos = {info.name: info for suite in sweep.metrics.values() for info in suite.values()}
    scores = sweep.moving_scores[["unit_id", "duration_s", "metric", "value"]]
    retrieved, more = retrieved_measures(sweep)
    longest_s = (sweep.units if sweep.scores.empty else sweep.scores)["duration_s"].max()
    still = {unit_id for unit_id, duration_s in sweep.frozen if duration_s == longest_s}
    retrieved = retrieved[~retrieved["unit_id"].isin(still)].assign(duration_s=longest_s)
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
    """Return the comparisons of one table, tested together."""
    chosen = values[values["duration_s"] == table.duration_s]
    if table.backbone != ALL:
        chosen = chosen[chosen["backbone"] == table.backbone]
    found: list[tuple[MetricInfo, str, Mapping[_Pair, float], PairedDifference | None]] = []
    for metric in metrics:
        of_metric = chosen[chosen["metric"] == metric.name]
        by_row = {row: _by_pair(of_metric[of_metric["method"] == row]) for row in table.rows}
        reference, *others = table.rows
        compared = paired_differences(
            {row: by_row[row] for row in others}, by_row[reference], metric.higher_is_better
        )
        found += [(metric, row, by_row[row], compared.get(row)) for row in table.rows]
    differences = [difference for *_, difference in found]
    tested = table_p(differences)
    reaches = table_reach(differences, tested)
    return [
        replace(_row_comparison(table, *one), p=p, reach=reach)
        for one, p, reach in zip(found, tested, reaches, strict=True)
    ]


def _by_pair(values: pd.DataFrame) -> dict[_Pair, float]:
    columns = (values[name] for name in ("backbone", "prompt_id", "seed", "value"))
    return {
        (str(prompt), (backbone, seed)): float(value)
        for backbone, prompt, seed, value in zip(*columns, strict=True)
    }


def _row_comparison(
    table: _Table,
    metric: MetricInfo,
    row: str,
    own: Mapping[_Pair, float],
    difference: PairedDifference | None,
) -> RowComparison:
    reference = table.rows[0]
    reason = None
    if not own:
        reason = "no value for this row"
    elif row != reference and difference is None:
        reason = f"no video in common with {reference}"
    prompts = {prompt for prompt, _ in own} if row == reference else set()
    return RowComparison(
        axis=table.axis,
        duration_s=table.duration_s,
        backbone=table.backbone,
        row=row,
        reference=reference,
        metric=metric,
        mean=fmean(own.values()) if own else None,
        difference=difference,
        better=(difference.mean > 0) == metric.higher_is_better if difference else None,
        num_videos=difference.num_pairs if difference else len(own) if row == reference else 0,
        num_prompts=difference.num_prompts if difference else len(prompts),
        reason=reason,
    )
