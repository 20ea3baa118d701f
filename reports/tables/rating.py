"""Rating of the methods that compete on one backbone and prompt set, over the same pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.metric import MetricInfo
from eval.statistics import (
    Interval,
    average_ranks,
    bootstrap_t,
    cluster_sums,
    mean_and_stderr,
    no_interval,
    paired_differences,
    rank_intervals,
)
from reports.tables.competitor import Competitor, frozen_words
from reports.tables.table import Cell, Group, LeftOut, Pair, Row, Versus

BASELINE = "sliding_window"
"""The method that others are compared with, where it takes part and none is chosen."""
MIN_SHARE = 0.5
"""Rows with fewer than this share of the pairs are excluded, because they would shrink the common
set for every other row.
"""
_Column = dict[str, Cell]  # one metric, by method


@dataclass(frozen=True)
class Contest:
    """The values of one metric of a group that marks of the whole table rest on.

    Attributes:
        metric: its name.
        methods: those with a mean.
        prompts: those compared.
        higher_is_better: its direction.
        sums_GM: sum of the values of each prompt and method.
    """

    metric: str
    higher_is_better: bool
    methods: tuple[str, ...]
    prompts: tuple[str, ...]
    sums_GM: np.ndarray


@dataclass(frozen=True)
class RatedGroup:
    """A group without the marks of its table, and a contest per metric that methods compete in."""

    group: Group
    contests: tuple[Contest, ...]


def rate_group(
    backbone: str,
    prompt_set: str,
    competitors: Sequence[Competitor],
    metrics: Sequence[MetricInfo],
    baseline: str | None = None,
) -> RatedGroup:
    """Rate the rows of a group over the pairs that all competing ones have.

    Marks are left to `reports.tables.marks.mark_table`, because they hold over a whole table.

    Args:
        backbone: label of the group.
        prompt_set: likewise.
        competitors: the methods.
        metrics: the columns to rate.
        baseline: the method to compare with; when None, `BASELINE`, else the first.
    """
    union = frozenset[Pair]().union(*(c.evaluated for c in competitors))
    playing = [c for c in competitors if union and len(c.evaluated) >= MIN_SHARE * len(union)]
    pairs = sorted(union.intersection(*(c.evaluated for c in playing))) if playing else []
    methods = [c.method for c in playing]
    if baseline is None and methods:
        baseline = BASELINE if BASELINE in methods else methods[0]
    rated = {info.name: _rate_metric(info, playing, pairs, baseline) for info in metrics}
    columns = {name: column for name, (column, _) in rated.items()}
    ranked = _rank(metrics, playing, columns, pairs)
    rows = []
    for c in competitors:
        if c in playing:
            row = replace(ranked[c.method], competes=True)
        else:
            row = replace(c.row, cells=dict.fromkeys(columns, _absent_cell(c, union)))
        rows.append(replace(row, complete=bool(union) and c.evaluated == union))
    frozen = frozenset[Pair]().union(*(c.frozen for c in competitors))
    left_out = tuple(
        LeftOut(*pair, c.method, c.absent.get(pair, "not asked for"))
        for pair in sorted((union | frozen).difference(pairs))
        for c in competitors
        if pair in c.frozen or (pair in union and c in playing and pair not in c.evaluated)
    )
    group = Group(
        backbone=backbone,
        prompt_set=prompt_set,
        rows=tuple(rows),
        pairs=tuple(pairs),
        left_out=left_out,
        baseline=baseline if baseline in methods else None,
    )
    return RatedGroup(group, tuple(contest for _, contest in rated.values() if contest))


def _absent_cell(competitor: Competitor, union: frozenset[Pair]) -> Cell:
    """Return the cell of a row that does not compete."""
    scored = competitor.evaluated | competitor.frozen
    num_pairs, num_frozen = len(union | competitor.frozen), len(competitor.frozen)
    if not scored:
        return Cell(reason="no finished and evaluated video")
    frozen = frozen_words(num_frozen, len(scored))
    if len(scored) >= MIN_SHARE * num_pairs:  # it would compete if all of them moved
        return Cell(reason=f"{frozen}, so not compared")
    few = f"only {len(scored)} of {num_pairs} videos"
    return Cell(reason=f"{few}{f' ({frozen})' if num_frozen else ''}, so not compared")


def _rate_metric(
    info: MetricInfo, playing: Sequence[Competitor], pairs: Sequence[Pair], baseline: str | None
) -> tuple[_Column, Contest | None]:
    """Return means, intervals and differences of one metric, and the contest if there are two."""
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
        column[c.method] = Cell(reason=reason)
    if not shared:
        return column, None
    prompts = [prompt_id for prompt_id, _ in common]
    sums = [cluster_sums(list(values.values()), prompts) for values in shared.values()]
    sums_GM, counts_G = np.stack([sums_G for sums_G, _ in sums], axis=1), sums[0][1]
    intervals, reasons = bootstrap_t(sums_GM, counts_G), no_interval(sums_GM, counts_G)
    for index, (method, values) in enumerate(shared.items()):
        estimate = mean_and_stderr(list(values.values()), prompts)
        column[method] = replace(
            column[method],
            mean=estimate.mean,
            stderr=estimate.stderr,
            num_videos=estimate.num_values,
            num_prompts=estimate.num_clusters,
            interval=intervals[index],
            no_interval=reasons[index],
        )
    if baseline in shared:
        others = {method: values for method, values in shared.items() if method != baseline}
        compared = paired_differences(others, shared[baseline], info.higher_is_better)
        for method, difference in compared.items():
            assert difference is not None, "they share the common pairs"
            column[method] = replace(column[method], versus=Versus(difference))
    if len(shared) < 2 or not info.quality:
        return column, None
    compared_prompts = tuple(dict.fromkeys(prompts))
    return column, Contest(
        info.name, info.higher_is_better, tuple(shared), compared_prompts, sums_GM
    )


def _rank(
    metrics: Sequence[MetricInfo],
    playing: Sequence[Competitor],
    columns: Mapping[str, _Column],
    pairs: Sequence[Pair],
) -> dict[str, Row]:
    """Return the competing rows with ranks within the group, and their averages.

    Only metrics of quality are ranked: more motion, for one, is not better.
    """
    qualities = [info for info in metrics if info.quality]
    means = {
        info.name: {method: cell.mean for method, cell in columns[info.name].items()}
        for info in qualities
    }
    ranks = average_ranks(means, {info.name: info.direction for info in qualities})
    intervals = _rank_intervals(
        [info for info in qualities if info.name in ranks.by_metric], playing, pairs
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
    values_MRV = []
    for info in ranked:
        of_rows = [c.values[info.name] for c in playing]
        if any(pair not in values for values in of_rows for pair in pairs):
            return None
        values_MRV.append(np.array([[values[pair] for pair in pairs] for values in of_rows]))
    directions = [info.direction for info in ranked]
    return rank_intervals(values_MRV, directions, [prompt_id for prompt_id, _ in pairs])


def _within(values: Mapping[Pair, float], pairs: Sequence[Pair]) -> dict[Pair, float]:
    return {pair: values[pair] for pair in pairs if pair in values}
