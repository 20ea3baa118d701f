"""LaTeX tables of a paper from templates: the main table of means, and the table of differences.

One file of each kind per suite, with all durations, so that kinds of numbers never share a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.store.scores import MetricInfo
from reports.tables.comparison import Comparison, Group, Row
from reports.tables.export import caption, decimals_of, escape_latex, latex_head
from reports.tables.formatting import DASH, seconds, text

TEMPLATES = ("main_table", "ablation_table")
P_LEVEL = 0.05


def write_paper_tables(comparisons: Sequence[Comparison], folder: Path) -> list[Path]:
    """Write <template>_<suite>.tex for every suite and return the files."""
    environment = Environment(
        loader=PackageLoader("reports.papers"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        autoescape=False,  # LaTeX: every label goes through the filter `latex`
    )
    environment.filters.update(
        latex=escape_latex,
        latex_head=latex_head,
        duration=seconds,
        number=lambda value, decimals: _literal(text(value, decimals)),
        dagger=lambda row: "" if row.complete else r"$^\dagger$",
        by_group=_by_group,
        baseline_first=_baseline_first,
        mean_cells=_mean_cells,
        difference_cells=_difference_cells,
    )
    written = []
    for suite in dict.fromkeys(table.suite for table in comparisons):
        tables = [table for table in comparisons if table.suite == suite]
        columns = {info.name: info for table in tables for info in table.metrics}
        for name in TEMPLATES:
            path = folder / f"{name}_{suite}.tex"
            content = environment.get_template(f"{name}.tex.j2").render(
                comparisons=tables,
                table_columns=list(columns.values()),
                note=" ".join(caption(tables[-1]).split()),
            )
            path.write_text(content, encoding="utf-8")
            written.append(path)
    return written


def _by_group(comparison: Comparison) -> list[tuple[Group, list[Row]]]:
    return [
        (group, [row for row in comparison.rows if comparison.group(row) is group])
        for group in comparison.groups
    ]


def _baseline_first(rows: Sequence[Row], group: Group) -> list[Row]:
    return sorted(rows, key=lambda row: row.method != group.baseline)


def _mean_cells(row: Row, comparison: Comparison, columns: Sequence[MetricInfo]) -> list[str]:
    cells = []
    for info in columns:
        cell = row.cells.get(info.name)
        if cell is None or cell.mean is None:
            cells.append("--")
            continue
        value = text(cell.mean, decimals_of(comparison, info.name))
        if cell.best:
            value = rf"\textbf{{{value}}}"
        elif cell.near_best:
            value = rf"\underline{{{value}}}"
        cells.append(value)
    return cells


def _difference_cells(
    row: Row, comparison: Comparison, group: Group, columns: Sequence[MetricInfo]
) -> list[str]:
    cells = []
    for info in columns:
        cell = row.cells.get(info.name)
        if cell is not None and row.method == group.baseline and cell.mean is not None:
            cells.append(text(cell.mean, decimals_of(comparison, info.name)))
        elif cell is not None and cell.versus is not None:
            star = "^{*}" if (cell.versus.p_holm or 1) < P_LEVEL else ""
            decimals = decimals_of(comparison, info.name)
            cells.append(f"${cell.versus.difference.mean:+.{decimals}f}{star}$")
        else:
            cells.append("--")
    return cells


def _literal(number: str) -> str:
    return number.replace(DASH, "--")
