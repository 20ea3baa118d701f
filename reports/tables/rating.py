"""Rating of the methods that compete on one backbone and prompt set, over the same pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eval.metric import MetricInfo
from eval.statistics import (
    Interval,
    average_ranks,
    bootstrap_interval,
    holm,
    mean_and_stderr,
    paired_difference,
    rank_intervals,
)
from reports.tables.table import Cell, Group, LeftOut, Pair, Row, Versus

BASELINE = "sliding_window"
"""The method that others are compared with, where it takes part and none is chosen."""
MIN_SHARE = 0.5
"""Rows with fewer than this share of the pairs are excluded, because they would shrink the common
set for every other row.
"""
_UNSCORED = "not evaluated"

_Column = dict[str, Cell]  # one metric, by method


@dataclass(frozen=True)
class Competitor:
    """The videos of one row.

    Attributes:
        row: its labels and costs, not rated yet.
        values: by metric the value of each pair that has one.
        evaluated: pairs of the finished and evaluated videos.
        reasons: why pairs have no value, by metric.
        absent: why a pair has no evaluated video.
    """

    row: Row
    values: Mapping[str, Mapping[Pair, float]]
    evaluated: frozenset[Pair]
    reasons: Mapping[str, tuple[str, ...]]
    absent: Mapping[Pair, str]

    @property
    def method(self) -> str:
        """Return the label of its method, which no other competitor has."""
        return self.row.method

    @classmethod
    def of(
        cls,
        row: Row,
        units: Sequence[Mapping[str, Any]],
        values: Mapping[str, Mapping[str, float | None]],
        metrics: Sequence[MetricInfo],
        reasons: Mapping[tuple[str, str], str],
    ) -> Competitor:
        """Collect the values of the units of a row.

        Args:
            row: not rated yet.
            units: lines of `Sweep.units`.
            values: by evaluated unit the value of each metric; None where null.
            metrics: the columns to take.
            reasons: why a (unit, metric) is null.
        """
        pairs = {unit["unit_id"]: (unit["prompt_id"], unit["seed"]) for unit in units}
        evaluated = [unit_id for unit_id in pairs if unit_id in values]
        return cls(
            row=row,
            values={
                info.name: {
                    pairs[unit_id]: value
                    for unit_id in evaluated
                    if (value := values[unit_id].get(info.name)) is not None
                }
                for info in metrics
            },
            evaluated=frozenset(pairs[unit_id] for unit_id in evaluated),
            reasons={
                info.name: tuple(
                    sorted({reasons[u, info.name] for u in evaluated if (u, info.name) in reasons})
                )
                for info in metrics
            },
            absent={
                pairs[unit["unit_id"]]: (
                    unit["reason"] if isinstance(unit["reason"], str) else _UNSCORED
                )
                for unit in units
                if unit["unit_id"] not in values
            },
        )


def rate_group(
    backbone: str,
    prompt_set: str,
    competitors: Sequence[Competitor],
    metrics: Sequence[MetricInfo],
    baseline: str | None = None,
) -> Group:
    """Rate the rows of a group over the pairs that all competing ones have.

    Args:
        backbone: label of the group.
        prompt_set: likewise.
        competitors: the methods.
        metrics: the columns to rate.
        baseline: the method to compare with; when None, `BASELINE`, else the first.
    """
    union = frozenset[Pair]().union(*(c.evaluated for c in competitors))
    playing = [c for c in competitors if union and len(c.evaluated) >= MIN_SHARE * len(union)]
    pairs = sorted(union.intersection(*(c.evaluated for c in playing)))
    methods = [c.method for c in playing]
    if baseline is None and methods:
        baseline = BASELINE if BASELINE in methods else methods[0]
    columns = {info.name: _rate_metric(info, playing, pairs, baseline) for info in metrics}
    ranked = _rank(metrics, playing, columns, pairs)
    rows = []
    for c in competitors:
        if c in playing:
            row = replace(ranked[c.method], cells=_correct(ranked[c.method].cells), competes=True)
        else:
            row = replace(c.row, cells=dict.fromkeys(columns, _absent_cell(c, len(union))))
        rows.append(replace(row, complete=bool(union) and c.evaluated == union))
    left_out = tuple(
        LeftOut(prompt_id, seed, c.method, c.absent.get((prompt_id, seed), "not asked for"))
        for prompt_id, seed in sorted(union.difference(pairs))
        for c in playing
        if (prompt_id, seed) not in c.evaluated
    )
    return Group(
        backbone=backbone,
        prompt_set=prompt_set,
        rows=tuple(rows),
        pairs=tuple(pairs),
        left_out=left_out,
        baseline=baseline if baseline in methods else None,
    )


def _absent_cell(competitor: Competitor, num_pairs: int) -> Cell:
    """Return the cell of a row that does not compete."""
    if not competitor.evaluated:
        return Cell(reason="no finished and evaluated video")
    return Cell(reason=f"only {len(competitor.evaluated)} of {num_pairs} videos, so not compared")


def _rate_metric(
    info: MetricInfo, playing: Sequence[Competitor], pairs: Sequence[Pair], baseline: str | None
) -> _Column:
    """Return means, intervals, best marks and differences of one metric."""
    known = {c.method: _within(c.values[info.name], pairs) for c in playing}
    # A row that has the metric for few of its videos shows the reason instead of a mean. It must
    # not shrink the set of pairs that the other rows are compared over.
    holders = {
        method: values
        for method, values in known.items()
        if values and len(values) >= MIN_SHARE * len(pairs)
    }
    common = [pair for pair in pairs if all(pair in values for values in holders.values())]
    shared = {
        method: {pair: values[pair] for pair in common}
        for method, values in holders.items()
        if common
    }
    column: _Column = {}
    for c in playing:
        reason = "; ".join(c.reasons[info.name]) or None
        if known[c.method] and c.method not in holders:
            few = f"only {len(known[c.method])} of {len(pairs)} videos have a value"
            reason = f"{few}: {reason}" if reason else few
        cell = Cell(reason=reason)
        column[c.method] = _with_mean(cell, shared[c.method]) if c.method in shared else cell
    if len(shared) > 1:
        column |= _mark_best(info, shared, column)
    if baseline in shared:
        for method, values in shared.items():
            if method != baseline:
                difference = paired_difference(values, shared[baseline], info.higher_is_better)
                assert difference is not None, "they share the common pairs"
                column[method] = replace(column[method], versus=Versus(difference, None))
    return column


def _with_mean(cell: Cell, values: Mapping[Pair, float]) -> Cell:
    numbers, prompts = list(values.values()), [prompt_id for prompt_id, _ in values]
    estimate = mean_and_stderr(numbers, prompts)
    return replace(
        cell,
        mean=estimate.mean,
        stderr=estimate.stderr,
        num_videos=estimate.num_values,
        num_prompts=estimate.num_clusters,
        interval=bootstrap_interval(numbers, prompts),
    )


def _mark_best(
    info: MetricInfo, values: Mapping[str, Mapping[Pair, float]], column: _Column
) -> _Column:
    """Mark the best mean, and the rows whose paired difference to it is within the noise.

    The noise is the 95 % interval of the difference; with too few prompts for one, no row is marked
    as near.
    """
    means = {method: mean for method in values if (mean := column[method].mean) is not None}
    best = (max if info.higher_is_better else min)(means.values())
    leader = next(method for method, mean in means.items() if mean == best)
    marked: _Column = {}
    for method, mean in means.items():
        if mean == best:
            marked[method] = replace(column[method], best=True)
            continue
        pairs = list(values[leader])
        differences = [values[method][pair] - values[leader][pair] for pair in pairs]
        interval = bootstrap_interval(differences, [prompt_id for prompt_id, _ in pairs])
        near = interval is not None and interval.low <= 0 <= interval.high
        marked[method] = replace(column[method], near_best=near)
    return marked


def _rank(
    metrics: Sequence[MetricInfo],
    playing: Sequence[Competitor],
    columns: Mapping[str, _Column],
    pairs: Sequence[Pair],
) -> dict[str, Row]:
    """Return the competing rows with ranks within the group, and their averages."""
    means = {
        name: {method: cell.mean for method, cell in column.items()}
        for name, column in columns.items()
    }
    ranks = average_ranks(means, {info.name: info.direction for info in metrics})
    intervals = _rank_intervals(
        [info for info in metrics if info.name in ranks.by_metric], playing, pairs
    )
    return {
        c.method: replace(
            c.row,
            cells={
                name: replace(column[c.method], rank=ranks.by_metric.get(name, {}).get(c.method))
                for name, column in columns.items()
            },
            average_rank=ranks.average.get(c.method),
            rank_interval=intervals[index] if intervals else None,
        )
        for index, c in enumerate(playing)
    }


def _rank_intervals(
    ranked: Sequence[MetricInfo], playing: Sequence[Competitor], pairs: Sequence[Pair]
) -> list[Interval] | None:
    """Return the interval of each competitor's average rank over the `ranked` metrics."""
    # The bootstrap draws the same prompts for all metrics, so every pair needs all values. Over
    # fewer metrics than the average, the interval would be of another number.
    if any(pair not in c.values[info.name] for info in ranked for c in playing for pair in pairs):
        return None
    return rank_intervals(
        [np.array([[c.values[info.name][p] for p in pairs] for c in playing]) for info in ranked],
        [info.direction for info in ranked],
        [prompt_id for prompt_id, _ in pairs],
    )


def _correct(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return the cells of a row with its p-values corrected for each other (Holm)."""
    versus = {name: cell.versus for name, cell in cells.items() if cell.versus is not None}
    adjusted = holm([one.difference.p for one in versus.values()])
    corrected = {
        name: replace(cells[name], versus=replace(one, p_holm=p_holm))
        for (name, one), p_holm in zip(versus.items(), adjusted, strict=True)
    }
    return {**cells, **corrected}


def _within(values: Mapping[Pair, float], pairs: Sequence[Pair]) -> dict[Pair, float]:
    return {pair: values[pair] for pair in pairs if pair in values}
