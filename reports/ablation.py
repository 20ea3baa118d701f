"""The comparisons of an experiment: rows against the reference of their axis, video by video.

Differences are paired (same backbone, prompt and seed), intervals draw whole prompts with
replacement. A difference is marked when its 95 % interval excludes zero, and marked twice when the
interval does at the level that allows for all comparisons of the axis (Bonferroni); nothing is
marked with fewer than five prompts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eval.statistics import Interval, bootstrap_interval
from harness.errors import LongtakeError
from reports.load import Sweep, load_sweep
from reports.retrieved import retrieved_measures
from reports.scores import MetricInfo

_PAIR = ["backbone", "prompt_id", "seed"]
ALL = "all backbones"
# With fewer prompts a bootstrap interval is too narrow to call anything significant.
FEWEST_PROMPTS = 5


@dataclass(frozen=True)
class Comparison:
    """One row of one axis in one metric.

    Attributes:
        axis: the question.
        backbone: label, or ALL.
        row: label of the method.
        reference: the row it is compared with; its own label for the reference itself.
        metric: what is measured.
        mean: over the videos of the row; None with a reason.
        difference: mean of row minus reference over their common videos; None for the reference.
        interval: 95 % interval of the difference; None below two prompts.
        marks: 0, 1 or 2, see above.
        better: whether the difference is an improvement; None where the metric has no direction.
        num_videos, num_prompts: the difference is over; of the mean for the reference.
        reason: why there is no number.
    """

    axis: str
    backbone: str
    row: str
    reference: str
    metric: MetricInfo
    mean: float | None
    difference: float | None
    interval: Interval | None
    marks: int
    better: bool | None
    num_videos: int
    num_prompts: int
    reason: str | None


@dataclass(frozen=True)
class Ablation:
    """A whole experiment: its axes in order, and all comparisons."""

    name: str
    axes: dict[str, list[str]]
    metrics: tuple[MetricInfo, ...]
    duration_s: float
    comparisons: tuple[Comparison, ...]
    num_missing: int

    def of(self, axis: str, backbone: str) -> list[Comparison]:
        """The comparisons of one axis on one backbone."""
        return [c for c in self.comparisons if (c.axis, c.backbone) == (axis, backbone)]


def compare(sweep: Sweep) -> Ablation:
    """Compute all comparisons of an experiment.

    Raises:
        LongtakeError: the sweep is no experiment, or nothing of it is scored.
    """
    path = sweep.folder / "experiment.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        name, axes = str(content["name"]), dict(content["axes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LongtakeError(f"{sweep.folder} is no experiment ({error}).") from error
    if sweep.scores.empty:
        raise LongtakeError(f"{sweep.folder}: no scores yet; run the sweep first.")
    duration_s = float(sweep.scores["duration_s"].max())
    values, metrics = _values(sweep, duration_s)
    comparisons = tuple(
        comparison
        for axis, rows in axes.items()
        for backbone in (ALL, *sweep.backbones)
        for comparison in _axis(values, metrics, axis, rows, backbone)
    )
    missing = int((sweep.units["status"] != "done").sum())
    return Ablation(name, axes, metrics, duration_s, comparisons, missing)


def _values(sweep: Sweep, duration_s: float) -> tuple[pd.DataFrame, tuple[MetricInfo, ...]]:
    """One line per video, row and metric: scores of the duration, and what was retrieved."""
    infos = {info.name: info for suite in sweep.metrics.values() for info in suite.values()}
    scores = sweep.scores[sweep.scores["duration_s"] == duration_s]
    retrieved, more = retrieved_measures(sweep)
    values = pd.concat([scores[["unit_id", "metric", "value"]], retrieved], ignore_index=True)
    labels = sweep.units[["unit_id", "method", *_PAIR]]
    return labels.merge(values, on="unit_id").dropna(subset="value"), (*infos.values(), *more)


def _axis(
    values: pd.DataFrame,
    metrics: Sequence[MetricInfo],
    axis: str,
    rows: Sequence[str],
    backbone: str,
) -> Iterator[Comparison]:
    on_backbone = values if backbone == ALL else values[values["backbone"] == backbone]
    level = 1 - 0.05 / max(1, (len(rows) - 1) * len(metrics))
    for metric in metrics:
        of_metric = on_backbone[on_backbone["metric"] == metric.name].set_index(_PAIR)
        reference = of_metric.loc[of_metric["method"] == rows[0], "value"]
        for row in rows:
            own = of_metric.loc[of_metric["method"] == row, "value"]
            yield _compare(own, reference, metric, axis, backbone, row, rows[0], level)


def _compare(
    own: pd.Series,
    reference: pd.Series,
    metric: MetricInfo,
    axis: str,
    backbone: str,
    row: str,
    reference_row: str,
    level: float,
) -> Comparison:
    differences = (own - reference).dropna()
    is_reference = row == reference_row
    shown = own if is_reference else differences
    prompts = list(shown.index.get_level_values("prompt_id"))
    reason = None
    if own.empty:
        reason = "no value for this row"
    elif not is_reference and differences.empty:
        reason = f"no video in common with {reference_row}"
    difference = interval = better = None
    marks = 0
    if not is_reference and reason is None:
        numbers = [float(value) for value in differences]
        difference = float(differences.mean())
        interval = bootstrap_interval(numbers, prompts)
        strict = bootstrap_interval(numbers, prompts, level=level)
        if len(set(prompts)) >= FEWEST_PROMPTS:
            marks = sum(not i.low <= 0 <= i.high for i in (interval, strict) if i)
        if metric.direction in ("higher", "lower"):
            better = (difference > 0) == metric.higher_is_better
    return Comparison(
        axis=axis,
        backbone=backbone,
        row=row,
        reference=reference_row,
        metric=metric,
        mean=None if own.empty else float(own.mean()),
        difference=difference,
        interval=interval,
        marks=marks,
        better=better,
        num_videos=len(shown),
        num_prompts=len(set(prompts)),
        reason=reason,
    )


def build_ablation(sweep_dir: Path, out: Path | None = None) -> Path:
    """Render tables, plots and the page of an experiment into report/ablation.

    Args:
        sweep_dir: runs/<experiment>.
        out: where the report goes; runs/<experiment>/report when None.

    Returns:
        The page.

    Raises:
        LongtakeError: as compare.
    """
    from reports.ablation_page import write_ablation

    sweep = load_sweep(sweep_dir)
    folder = (sweep.folder / "report" if out is None else Path(out).resolve()) / "ablation"
    return write_ablation(sweep, compare(sweep), folder)
