"""The leaderboards of the page, and the drift curves under them, from the comparison tables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pandas as pd

from eval.metric import Heading, Kind, MetricInfo
from eval.statistics import Interval
from harness.core.durations import plain_duration
from harness.store.frames import Sweep, as_dicts
from reports.site import schema
from reports.site.data_files import exact, short
from reports.site.recall_curves import recall_curves
from reports.tables.columns import FIRST, NOTES, grouped
from reports.tables.curves import KEYS
from reports.tables.drift_ends import END_S
from reports.tables.formatting import bounds
from reports.tables.table import Cell, Comparison, Group, Row

MAX_LEFT_OUT = 30
"""Pairs listed per group that are not compared; the rest is counted."""
MAX_SPARK_POINTS = 30
"""Points of the small curve in a row."""

_UNMEASURED = Cell(reason="not measured at this length")
_Sparks = Mapping[tuple[str, str, str], list[float | None]]


def boards(
    sweep: Sweep, comparisons: Sequence[Comparison], points: pd.DataFrame, recall: pd.DataFrame
) -> list[schema.Board]:
    """Build one leaderboard per suite, in the order that a report opens with.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables.
        points: of `reports.tables.drift.drift_points`, for the small curves in the rows.
        recall: of `reports.tables.recall.recall_points`.
    """
    by_suite = {suite: [t for t in comparisons if t.suite == suite] for suite in sweep.metrics}
    by_suite = {suite: tables for suite, tables in by_suite.items() if tables}
    order = sorted(by_suite, key=lambda suite: FIRST.index(by_suite[suite][0].kind))
    own = [suite for suite in order if by_suite[suite][0].kind is Kind.own]
    hosts: dict[str, list[str]] = {suite: [] for suite in order if suite not in own}
    for guest in own:
        host = next((h for h in hosts if _fit(guest, [h, *hosts[h]], by_suite)), None)
        hosts.setdefault(guest if host is None else host, [])
        if host is not None:
            hosts[host].append(guest)
    found = [
        _board(by_suite[host], [by_suite[guest] for guest in guests], points, recall)
        for host, guests in hosts.items()
    ]
    return sorted(found, key=lambda board: FIRST.index(Kind(board.kind)))


def _fit(guest: str, board: Sequence[str], by_suite: Mapping[str, Sequence[Comparison]]) -> bool:
    """Check if a suite can join a board: the same videos as its host's, and names of its own.

    Args:
        guest: the suite.
        board: the suites on the board, its host first.
        by_suite: the tables of each suite.
    """
    pairs = {key: group.pairs for key, group in _groups(by_suite[board[0]]).items()}
    names = {i.name for suite in board for table in by_suite[suite] for i in table.metrics}
    return all(
        pairs.get(key) == group.pairs for key, group in _groups(by_suite[guest]).items()
    ) and not any(info.name in names for table in by_suite[guest] for info in table.metrics)


def _groups(tables: Sequence[Comparison]) -> dict[tuple[float, str, str], Group]:
    return {
        (table.duration_s, group.backbone, group.prompt_set): group
        for table in tables
        for group in table.groups
    }


def _board(
    tables: Sequence[Comparison],
    guests: Sequence[Sequence[Comparison]],
    points: pd.DataFrame,
    recall: pd.DataFrame,
) -> schema.Board:
    """Build the board of one suite, with the columns of own metrics over the same videos."""
    tables = longest_first(tables)
    first = tables[0]
    groups = [(table, group) for table in tables for group in table.groups]
    rows = [(index, row) for index, (_, group) in enumerate(groups) for row in group.rows]
    metrics, headings = _metrics(tables, groups, rows)
    suites = [first.suite, *(guest[0].suite for guest in guests)]
    for guest in guests:
        more, under = _metrics(guest, groups, rows)
        metrics += more
        headings += under
    shown = [*tables, *(table for guest in guests for table in guest)]
    sparks = _sparks(first.suite, [metric.name for metric in metrics], points)
    return schema.Board(
        suite=first.suite,
        version=first.version,
        kind=str(first.kind),
        note=NOTES[first.kind],
        durations_s=[plain_duration(d) for d in sorted(table.duration_s for table in tables)],
        metrics=metrics,
        headings=headings,
        groups=[_group(table, group, shown) for table, group in groups],
        rows=[_row(row, index, sparks) for index, row in rows],
        recall=recall_curves(recall[recall["suite"].isin(suites)]),
    )


def _metrics(
    tables: Sequence[Comparison],
    groups: Sequence[tuple[Comparison, Group]],
    rows: Sequence[tuple[int, Row]],
) -> tuple[list[schema.Metric], list[schema.ColumnHeading]]:
    """Return the columns of a suite for the rows of a board, and the headings over them."""
    infos = {info.name: info for table in tables for info in table.metrics}
    own = {(*key, row.method): row for key, group in _groups(tables).items() for row in group.rows}
    cells: list[Mapping[str, Cell]] = []
    for index, row in rows:
        table, group = groups[index]
        found = own.get((table.duration_s, group.backbone, group.prompt_set, row.method))
        cells.append(found.cells if found else {})
    metrics = [
        _metric(info, tables, [of_row.get(info.name, _UNMEASURED) for of_row in cells])
        for info in infos.values()
    ]
    headings = [
        schema.ColumnHeading(
            str(Kind.own).capitalize()
            if tables[0].kind is Kind.own and heading == Heading.other
            else heading,
            [info.name for info in under],
        )
        for heading, under in grouped(infos.values())
    ]
    return metrics, headings


def longest_first(tables: Sequence[Comparison]) -> list[Comparison]:
    """Return the tables of one suite in the order of the page."""
    return sorted(tables, key=lambda table: -table.duration_s)


def _group(table: Comparison, group: Group, tables: Sequence[Comparison]) -> schema.BoardGroup:
    shown = [one for one in tables if one.duration_s == table.duration_s]
    pairs = "\n".join(f"{prompt_id}\t{seed}" for prompt_id, seed in group.pairs)
    return schema.BoardGroup(
        backbone=group.backbone,
        prompt_set=group.prompt_set,
        duration_s=plain_duration(table.duration_s),
        num_prompts=group.num_prompts,
        num_videos=len(group.pairs),
        fingerprint=hashlib.sha256(pairs.encode()).hexdigest()[:8],
        baseline=group.baseline,
        decimals={i.name: one.decimals(i.name) for one in shown for i in one.metrics},
        difference_decimals={
            i.name: one.difference_decimals(i.name) for one in shown for i in one.metrics
        },
        settings=list(group.settings),
        left_out=list(group.left_out[:MAX_LEFT_OUT]),
        num_left_out=len({(out.prompt_id, out.seed) for out in group.left_out}),
    )


def _row(row: Row, group: int, sparks: _Sparks) -> schema.BoardRow:
    low, high = _bounds(row.rank_interval)
    return schema.BoardRow(
        backbone=row.backbone,
        method=row.method,
        group=group,
        num_videos=row.num_videos,
        num_planned=row.num_planned,
        num_frozen=row.num_frozen,
        competes=row.competes,
        complete=row.complete,
        average_rank=exact(row.average_rank),
        rank_low=low,
        rank_high=high,
        frames_per_s=short(row.frames_per_s, 4),
        settings=list(row.settings),
        peak_device_mib=short(row.peak_device_mib, 4),
        peak_host_mib=short(row.peak_host_mib, 4),
        spark=sparks.get((row.backbone, row.prompt_set, row.method), []) if row.competes else [],
    )


def _metric(info: MetricInfo, tables: Sequence[Comparison], cells: Sequence[Cell]) -> schema.Metric:
    return schema.Metric(
        name=info.name,
        suite=tables[0].suite,
        title=info.title,
        unit=info.unit,
        higher_is_better=info.higher_is_better,
        quality=info.quality,
        description=info.description,
        decimals=max(table.decimals(info.name) for table in tables if info in table.metrics),
        cells=_columns(cells),
    )


def _columns(cells: Sequence[Cell]) -> schema.Cells:
    ends = [_bounds(cell.interval) for cell in cells]
    differences = [cell.versus.difference if cell.versus else None for cell in cells]
    tests = [cell.versus.p if cell.versus else None for cell in cells]
    reaches = [cell.versus.reach if cell.versus else None for cell in cells]
    around = [_bounds(one.interval if one else None) for one in differences]
    return schema.Cells(
        mean=[exact(cell.mean) for cell in cells],
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
        no_interval=[cell.no_interval for cell in cells],
        stderr=[exact(cell.stderr) for cell in cells],
        rank=[exact(cell.rank) for cell in cells],
        num_videos=[cell.num_videos for cell in cells],
        num_prompts=[cell.num_prompts for cell in cells],
        reason=[cell.reason for cell in cells],
        mark=["best" if cell.best else "near" if cell.near_best else None for cell in cells],
        best_p=[exact(cell.best_p) for cell in cells],
        difference=[exact(one.mean) if one else None for one in differences],
        difference_low=[low for low, _ in around],
        difference_high=[high for _, high in around],
        difference_no_interval=[one.no_interval if one else None for one in differences],
        difference_stderr=[exact(one.stderr) if one else None for one in differences],
        p=[exact(one.single) if one else None for one in tests],
        p_table=[exact(one.table) if one else None for one in tests],
        smallest_detectable=[exact(one.smallest) if one else None for one in reaches],
        prompts_needed=[one.prompts_needed if one else None for one in reaches],
        effect_size=[exact(one.effect_size) if one else None for one in differences],
        win_rate=[exact(one.win_rate) if one else None for one in differences],
    )


def _bounds(interval: Interval | None) -> tuple[float | None, float | None]:
    low, high = bounds(interval)
    return exact(low), exact(high)


def _sparks(suite: str, names: Sequence[str], points: pd.DataFrame) -> _Sparks:
    """Return by row the drift curve of the first metric that has one, thinned."""
    of_suite = points[points["suite"] == suite]
    headline = next((name for name in names if name in set(of_suite["metric"])), None)
    curves = of_suite[of_suite["metric"] == headline]
    sparks = {}
    for (backbone, prompt_set, method), curve in curves.groupby(
        ["backbone", "prompt_set", "method"], sort=False
    ):
        step = -(-len(curve) // MAX_SPARK_POINTS)
        sparks[str(backbone), str(prompt_set), str(method)] = [
            short(value, 4) for value in curve["mean"].iloc[::step]
        ]
    return sparks


def drift_curves(points: pd.DataFrame) -> dict[str, dict[str, list[schema.DriftCurve]]]:
    """Return the curves of `reports.tables.drift.drift_points` by suite and metric."""
    curves: dict[str, dict[str, list[schema.DriftCurve]]] = {}
    for labels, line in points.groupby(KEYS, sort=False):
        suite, metric, backbone, prompt_set, method = map(str, labels)
        curve = schema.DriftCurve(
            backbone=backbone,
            prompt_set=prompt_set,
            method=method,
            second=[short(value, 5) for value in line["second"]],
            mean=[short(value, 5) for value in line["mean"]],
            stderr=[short(value, 5) for value in line["stderr"]],
        )
        curves.setdefault(suite, {}).setdefault(metric, []).append(curve)
    return curves


def end_lines(ends: pd.DataFrame) -> dict[str, dict[str, list[schema.DriftEnds]]]:
    """Return the lines of `reports.tables.drift_ends.drift_ends` by suite and metric."""
    lines: dict[str, dict[str, list[schema.DriftEnds]]] = {}
    for line in as_dicts(ends):
        found = schema.DriftEnds(
            backbone=line["backbone"],
            prompt_set=line["prompt_set"],
            method=line["method"],
            seconds=END_S,
            num_videos=line["num_videos"],
            num_looping=None if pd.isna(line["num_looping"]) else line["num_looping"],
            num_looping_of=line["num_looping_of"],
            first=exact(line["first"]),
            last=exact(line["last"]),
            change=exact(line["change"]),
            change_stderr=exact(line["change_stderr"]),
            last_similarity=exact(line["last_similarity"]),
        )
        lines.setdefault(line["suite"], {}).setdefault(line["metric"], []).append(found)
    return lines
