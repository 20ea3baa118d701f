"""Rates the methods that compete on one backbone and prompt set, over the same pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eval.statistics import (
    Interval,
    PairedDifference,
    average_ranks,
    bootstrap_interval,
    holm,
    mean_and_stderr,
    paired_difference,
    rank_intervals,
)
from harness.store.scores import MetricInfo

Pair = tuple[str, int]
_UNSCORED = "not evaluated"
MIN_SHARE = 0.5
"""A row with a smaller share of the group's pairs does not compete, lest it shrink all others."""


@dataclass(frozen=True)
class LeftOut:
    """A pair that is not compared, because `method` lacks it."""

    prompt_id: str
    seed: int
    method: str
    reason: str


@dataclass(frozen=True)
class Versus:
    """The paired difference to the baseline; p_holm is corrected over the metrics of the row."""

    difference: PairedDifference
    p_holm: float | None


@dataclass(frozen=True)
class Competitor:
    """The videos of one method.

    Attributes:
        values: by metric the value of each pair that has one.
        evaluated: pairs of the finished and evaluated videos.
        reasons: why a pair has no value, by metric.
        absent: why a pair has no evaluated video.
    """

    method: str
    values: Mapping[str, Mapping[Pair, float]]
    evaluated: frozenset[Pair]
    reasons: Mapping[str, tuple[str, ...]]
    absent: Mapping[Pair, str]

    @classmethod
    def of(
        cls,
        method: str,
        units: Sequence[Mapping[str, Any]],
        values: Mapping[str, Mapping[str, float | None]],
        metrics: Sequence[MetricInfo],
        reasons: Mapping[tuple[str, str], str],
    ) -> Competitor:
        """Collect the values of the units of a row.

        Args:
            method: its label.
            units: lines of `Sweep.units`.
            values: by evaluated unit the value of each metric; None where null.
            metrics: the columns to take.
            reasons: why a (unit, metric) is null.
        """
        pairs = {unit["unit_id"]: (unit["prompt_id"], unit["seed"]) for unit in units}
        evaluated = [unit_id for unit_id in pairs if unit_id in values]
        by_metric = {
            info.name: {
                pairs[unit_id]: value
                for unit_id in evaluated
                if (value := values[unit_id].get(info.name)) is not None
            }
            for info in metrics
        }
        told = {
            info.name: tuple(
                sorted({reasons[u, info.name] for u in evaluated if (u, info.name) in reasons})
            )
            for info in metrics
        }
        absent = {
            pairs[unit["unit_id"]]: unit["reason"] if isinstance(unit["reason"], str) else _UNSCORED
            for unit in units
            if unit["unit_id"] not in values
        }
        return cls(method, by_metric, frozenset(pairs[u] for u in evaluated), told, absent)


@dataclass
class RatedCell:
    """What `reports.tables.comparison.Cell` says."""

    mean: float | None = None
    stderr: float | None = None
    num_prompts: int = 0
    num_videos: int = 0
    reason: str | None = None
    interval: Interval | None = None
    rank: float | None = None
    best: bool = False
    near_best: bool = False
    versus: Versus | None = None


@dataclass
class RatedRow:
    """One method of the group, rated."""

    competes: bool
    complete: bool
    cells: list[RatedCell] = field(default_factory=list)
    average_rank: float | None = None
    rank_interval: Interval | None = None


@dataclass(frozen=True)
class GroupValues:
    """The rated group: rows in the order of the competitors."""

    rows: list[RatedRow]
    pairs: tuple[Pair, ...]
    left_out: tuple[LeftOut, ...]
    baseline: str | None


def rate_group(
    competitors: Sequence[Competitor],
    metrics: Sequence[MetricInfo],
    baseline: str | None,
    usual_baseline: str,
) -> GroupValues:
    """Rate the rows of a group over the pairs that all competing ones have.

    Args:
        competitors: the methods.
        metrics: what to rate.
        baseline: the method to compare with; when None, the usual one, else the first.
        usual_baseline: see there.
    """
    union = set().union(*(c.evaluated for c in competitors))
    playing = [c for c in competitors if union and len(c.evaluated) >= MIN_SHARE * len(union)]
    pairs = sorted(union.intersection(*(c.evaluated for c in playing)))
    names = [c.method for c in playing]
    if baseline is None and names:
        baseline = usual_baseline if usual_baseline in names else names[0]
    rows = [
        RatedRow(competes=c in playing, complete=bool(union) and c.evaluated == union)
        for c in competitors
    ]
    rated = {c.method: row for c, row in zip(competitors, rows, strict=True) if c in playing}
    for row, competitor in zip(rows, competitors, strict=True):
        row.cells = [_empty_cell(competitor, info, row.competes, len(union)) for info in metrics]
    for column, info in enumerate(metrics):
        _rate_metric(info, column, playing, rated, pairs, baseline)
    _rank(metrics, playing, rated, pairs)
    for row in rated.values():
        cells = [cell for cell in row.cells if cell.versus is not None]
        adjusted = holm([cell.versus.difference.p for cell in cells if cell.versus])
        for cell, p_holm in zip(cells, adjusted, strict=True):
            assert cell.versus is not None
            cell.versus = Versus(cell.versus.difference, p_holm)
    left_out = [
        LeftOut(prompt_id, seed, c.method, c.absent.get((prompt_id, seed), "not asked for"))
        for prompt_id, seed in sorted(union - set(pairs))
        for c in playing
        if (prompt_id, seed) not in c.evaluated
    ]
    named = baseline if baseline in names else None
    return GroupValues(rows, tuple(pairs), tuple(left_out), named)


def _empty_cell(c: Competitor, info: MetricInfo, competes: bool, num_pairs: int) -> RatedCell:
    if not c.evaluated:
        return RatedCell(reason="no finished and evaluated video")
    if not competes:
        return RatedCell(reason=f"only {len(c.evaluated)} of {num_pairs} videos, so not compared")
    return RatedCell(reason="; ".join(c.reasons[info.name]) or None)


def _rate_metric(
    info: MetricInfo,
    column: int,
    playing: Sequence[Competitor],
    rated: Mapping[str, RatedRow],
    pairs: Sequence[Pair],
    baseline: str | None,
) -> None:
    """Fill in mean, interval, best marks and differences of one metric."""
    values = {c.method: _within(c.values[info.name], pairs) for c in playing}
    # A row that has the metric for few videos only has its reason, and takes it from nobody else.
    holders = {
        method: found
        for method, found in values.items()
        if found and len(found) >= MIN_SHARE * len(pairs)
    }
    for method, found in values.items():
        if found and method not in holders:
            cell = rated[method].cells[column]
            text = f"only {len(found)} of {len(pairs)} videos have a value"
            cell.reason = f"{text}: {cell.reason}" if cell.reason else text
    common = [pair for pair in pairs if all(pair in found for found in holders.values())]
    if not common:
        return
    prompts = [prompt for prompt, _ in common]
    for method, found in holders.items():
        cell = rated[method].cells[column]
        numbers = [found[pair] for pair in common]
        estimate = mean_and_stderr(numbers, prompts)
        cell.mean, cell.stderr = estimate.mean, estimate.stderr
        cell.num_videos, cell.num_prompts = estimate.num_values, estimate.num_clusters
        cell.interval = bootstrap_interval(numbers, prompts)
    shared = {method: {pair: found[pair] for pair in common} for method, found in holders.items()}
    if len(shared) > 1:
        _mark_best(info, column, shared, rated)
    if baseline in shared:
        for method, found in shared.items():
            if method != baseline:
                difference = paired_difference(found, shared[baseline], info.higher_is_better)
                assert difference is not None, "they share the common pairs"
                rated[method].cells[column].versus = Versus(difference, None)


def _mark_best(
    info: MetricInfo,
    column: int,
    values: Mapping[str, Mapping[Pair, float]],
    rated: Mapping[str, RatedRow],
) -> None:
    """Mark the best mean, and the rows whose paired difference to it is within the noise.

    Noise is told by the 95 % interval of the difference; with too few prompts for one, no row is
    marked as near.
    """
    cells = {method: rated[method].cells[column] for method in values}
    means = {method: cell.mean for method, cell in cells.items() if cell.mean is not None}
    best = (max if info.higher_is_better else min)(means.values())
    leader = next(method for method, mean in means.items() if mean == best)
    for method, cell in cells.items():
        cell.best = means[method] == best
        if cell.best:
            continue
        pairs = list(values[leader])
        differences = [values[method][pair] - values[leader][pair] for pair in pairs]
        interval = bootstrap_interval(differences, [prompt for prompt, _ in pairs])
        cell.near_best = interval is not None and interval.low <= 0 <= interval.high


def _rank(
    metrics: Sequence[MetricInfo],
    playing: Sequence[Competitor],
    rated: Mapping[str, RatedRow],
    pairs: Sequence[Pair],
) -> None:
    """Ranks within the group, and their average with an interval."""
    means = {
        info.name: {c.method: rated[c.method].cells[column].mean for c in playing}
        for column, info in enumerate(metrics)
    }
    ranks = average_ranks(means, {info.name: info.direction for info in metrics})
    for column, info in enumerate(metrics):
        for method, rank in ranks.by_metric.get(info.name, {}).items():
            rated[method].cells[column].rank = rank
    complete = [
        info
        for info in metrics
        if info.name in ranks.by_metric
        and all(pair in c.values[info.name] for c in playing for pair in pairs)
    ]
    intervals = rank_intervals(
        [np.array([[c.values[i.name][p] for p in pairs] for c in playing]) for i in complete],
        [info.direction for info in complete],
        [prompt for prompt, _ in pairs],
    )
    whole = len(complete) == len(ranks.by_metric)
    for index, c in enumerate(playing):
        rated[c.method].average_rank = ranks.average.get(c.method)
        # An interval over fewer metrics than the average would be of another number.
        rated[c.method].rank_interval = intervals[index] if intervals and whole else None


def _within(values: Mapping[Pair, float], pairs: Sequence[Pair]) -> dict[Pair, float]:
    return {pair: values[pair] for pair in pairs if pair in values}
