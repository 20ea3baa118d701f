"""LaTeX tables from templates: one per comparison, and per suite the means and the differences.

Kinds of numbers never share a table, so suites have files of their own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from eval.metric import MetricInfo
from reports.tables.export import caption
from reports.tables.formatting import (
    DASH,
    MINUS,
    number,
    one_line,
    seconds,
    signed,
    with_error,
)
from reports.tables.table import Comparison, Group, Row

_OF_SUITE = ("main_table", "ablation_table")
_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # would be an argument of the line break before it
    "]": "{]}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    DASH: "--",
    **{special: f"\\{special}" for special in "&%$#_{}"},
}


def write_latex_tables(comparisons: Sequence[Comparison], folder: Path) -> list[Path]:
    """Write the LaTeX tables and return the files; all need the package booktabs.

    One <comparison>.tex per comparison; main_table_<suite>.tex with the means and
    ablation_table_<suite>.tex with the differences to the baseline, of all durations.
    """
    written = []
    for comparison in comparisons:
        written.append(folder / f"{comparison.name}.tex")
        written[-1].write_text(latex(comparison), encoding="utf-8")
    environment = _environment()
    for suite in dict.fromkeys(table.suite for table in comparisons):
        tables = [table for table in comparisons if table.suite == suite]
        columns = {info.name: info for table in tables for info in table.metrics}
        for name in _OF_SUITE:
            written.append(folder / f"{name}_{suite}.tex")
            content = environment.get_template(f"{name}.tex.j2").render(
                comparisons=tables,
                table_columns=list(columns.values()),
                note=one_line(caption(tables[-1])),
            )
            written[-1].write_text(content, encoding="utf-8")
    return written


def latex(comparison: Comparison) -> str:
    """Return one comparison as a tabular."""
    template = _environment().get_template("comparison_table.tex.j2")
    return template.render(comparison=comparison, note=one_line(caption(comparison)))


def escape_latex(label: str) -> str:
    """Escape `label` for LaTeX.

    Emoji and control characters, which stop pdfLaTeX, are written as their numbers: U+1F600.
    """
    return "".join(_ESCAPED.get(c) or _printable(c) for c in one_line(label))


def _printable(character: str) -> str:
    stops = ord(character) > 0xFFFF or unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn")
    return f"U+{ord(character):04X}" if stops else character


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports.papers"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # LaTeX: every label passes the filter `latex`
    )
    environment.filters.update(
        latex=escape_latex,
        latex_head=_head,
        duration=seconds,
        number=_number,
        dagger=lambda row: "" if row.complete else r"$^\dagger$",
        baseline_first=lambda group: sorted(
            group.rows, key=lambda row: row.method != group.baseline
        ),
        cells=_cells,
        mean_cells=_mean_cells,
        difference_cells=_difference_cells,
    )
    return environment


def _head(info: MetricInfo) -> str:
    arrow = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}.get(info.arrow, "")
    return f"{escape_latex(info.title)} {arrow}".rstrip()


def _number(value: float | None, decimals: int) -> str:
    return _in_latex(number(value, decimals))


def _in_latex(text: str) -> str:
    return text.replace(DASH, "--").replace(MINUS, "$-$").replace("±", r"$\pm$")


def _cells(row: Row, comparison: Comparison) -> list[str]:
    """Return the means with their intervals or standard errors, the best in bold."""
    cells = []
    for name, cell in row.cells.items():
        decimals = comparison.decimals(name)
        value = _in_latex(with_error(cell.mean, cell.interval, cell.stderr, decimals))
        cells.append(rf"\textbf{{{value}}}" if cell.best else value)
    return cells


def _mean_cells(row: Row, comparison: Comparison, columns: Sequence[MetricInfo]) -> list[str]:
    """Return the means, the best in bold and those that may be the best as well underlined."""
    cells = []
    for info in columns:
        cell = row.cells.get(info.name)
        if cell is None or cell.mean is None:
            cells.append("--")
            continue
        value = _number(cell.mean, comparison.decimals(info.name))
        if cell.best:
            value = rf"\textbf{{{value}}}"
        elif cell.near_best:
            value = rf"\underline{{{value}}}"
        cells.append(value)
    return cells


def _difference_cells(
    row: Row, comparison: Comparison, group: Group, columns: Sequence[MetricInfo]
) -> list[str]:
    """Return the differences to the baseline; of the baseline itself the means."""
    cells = []
    for info in columns:
        cell = row.cells.get(info.name)
        if cell is not None and row.method == group.baseline and cell.mean is not None:
            cells.append(_number(cell.mean, comparison.decimals(info.name)))
        elif cell is not None and cell.versus is not None:
            stars = f"^{{{'*' * cell.versus.marks}}}" if cell.versus.marks else ""
            decimals = comparison.difference_decimals(info.name)
            shown = signed(cell.versus.difference.mean, decimals).replace(MINUS, "-")
            cells.append(f"${shown}{stars}$")
        else:
            cells.append("--")
    return cells
