"""The marks of a table: best, near best, and differences beyond doubt.

One family of tests covers all rows, metrics and groups of a table, so that its error is that of the
table and not of each pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from eval.statistics import MARK_LEVELS, MIN_CLUSTERS, not_best_p, table_p
from eval.statistics.power import table_reach
from reports.tables.rating import Contest, RatedGroup
from reports.tables.table import Cell, Group, Row, Versus

_Key = tuple[int, str, str]  # index of the group, method, metric


def mark_table(rated: Sequence[RatedGroup]) -> tuple[Group, ...]:
    """Return the groups of a table with their marks.

    Prompts of the same name count as the same prompt in all groups.
    """
    cells = {
        (index, row.method, name): cell
        for index, one in enumerate(rated)
        for row in one.group.rows
        for name, cell in row.cells.items()
    }
    compared = {key: cell.versus for key, cell in cells.items() if cell.versus}
    differences = [versus.difference for versus in compared.values()]
    tested = table_p(differences)
    reaches = table_reach(differences, tested)
    for key, difference, p, reach in zip(compared, differences, tested, reaches, strict=True):
        cells[key] = replace(cells[key], versus=Versus(difference.without_sums(), p, reach))
    p_of_best = _p_of_best(rated)
    for index, one in enumerate(rated):
        for contest in one.contests:
            _mark_best(index, contest, p_of_best, cells)
    return tuple(
        replace(one.group, rows=tuple(_with_cells(row, index, cells) for row in one.group.rows))
        for index, one in enumerate(rated)
    )


def _with_cells(row: Row, index: int, cells: Mapping[_Key, Cell]) -> Row:
    return replace(row, cells={name: cells[index, row.method, name] for name in row.cells})


def _p_of_best(rated: Sequence[RatedGroup]) -> dict[_Key, float]:
    """Return the p of being best in a contest; contests of few prompts have none."""
    contests = [
        (index, contest)
        for index, one in enumerate(rated)
        for contest in one.contests
        if len(contest.prompts) >= MIN_CLUSTERS
    ]
    prompts = dict.fromkeys(prompt for _, contest in contests for prompt in contest.prompts)
    place = {prompt: row for row, prompt in enumerate(prompts)}
    sums = []
    for _, contest in contests:
        aligned_GM = np.zeros((len(place), len(contest.methods)))
        aligned_GM[[place[prompt] for prompt in contest.prompts]] = contest.sums_GM
        sums.append(aligned_GM if contest.higher_is_better else -aligned_GM)
    return {
        (index, method, contest.metric): p
        for (index, contest), p_M in zip(contests, not_best_p(sums), strict=True)
        for method, p in zip(contest.methods, p_M.tolist(), strict=True)
    }


def _mark_best(
    index: int, contest: Contest, p_of_best: Mapping[_Key, float], cells: dict[_Key, Cell]
) -> None:
    """Mark the best mean and what may be the best as well, where that is not every method."""
    keys = [(index, method, contest.metric) for method in contest.methods]
    means = [mean for key in keys if (mean := cells[key].mean) is not None]
    best = (max if contest.higher_is_better else min)(means)
    ps = [p_of_best.get(key) for key in keys]
    tested = any(p is not None and p < MARK_LEVELS[0] for p in ps)
    for key, p in zip(keys, ps, strict=True):
        is_best = tested and cells[key].mean == best
        near = tested and not is_best and p is not None and p >= MARK_LEVELS[0]
        cells[key] = replace(cells[key], best=is_best, near_best=near, best_p=p)
