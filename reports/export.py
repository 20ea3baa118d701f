"""Writes comparisons as CSV (full precision), Markdown and LaTeX (booktabs) files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from reports.formatting import DASH, column_decimals, seconds, text
from reports.load import Sweep
from reports.scores import MetricInfo
from reports.tables import Comparison, Row, timing_table

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    DASH: "--",
    **{special: f"\\{special}" for special in "&%$#_{}"},
}


def write_tables(sweep: Sweep, comparisons: Sequence[Comparison], folder: Path) -> list[Path]:
    """Write all tables into `folder` and return the files in the order written.

    One .csv, .md and .tex per comparison, and what is behind them: units.csv (what became of each
    unit), scores.csv (one line per unit, duration and metric), timings.csv (mean seconds per row).
    """
    written = []
    for comparison in comparisons:
        for suffix, content in (
            ("csv", comparison.frame().to_csv(index=False, lineterminator="\n")),
            ("md", markdown(comparison)),
            ("tex", latex(comparison)),
        ):
            path = folder / f"{comparison.name}.{suffix}"
            path.write_text(content, encoding="utf-8")
            written.append(path)
    for name, frame in (
        ("units", sweep.units),
        ("scores", sweep.scores),
        ("timings", timing_table(sweep)),
    ):
        path = folder / f"{name}.csv"
        frame.to_csv(path, index=False, lineterminator="\n")
        written.append(path)
    return written


def markdown(comparison: Comparison) -> str:
    """The comparison as a Markdown table with a caption below it."""
    head = ["Backbone", "Method", "Avg. rank"]
    head += [
        f"{_markdown(info.title)} {'↑' if info.higher_is_better else '↓'}"
        for info in comparison.metrics
    ]
    head += ["Prompts", "Videos"]
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for row in comparison.rows:
        cells = [
            f"**{cell}**" if best else cell
            for cell, best in _cells(comparison, row, plus_minus="±")
        ]
        counts = [str(row.num_prompts), str(row.num_videos)]
        name = _markdown(row.method) + _mark(row)
        lines.append([_markdown(row.backbone), name, text(row.average_rank, 2), *cells, *counts])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\n{caption(comparison)}\n"


def latex(comparison: Comparison) -> str:
    r"""The comparison as a LaTeX tabular; needs \usepackage{booktabs}."""
    head = ["Method", "Avg.\\ rank"]
    head += [_latex_head(info) for info in comparison.metrics]
    lines = [
        f"% {_one_line(caption(comparison))}",
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
    ]
    for backbone, rows in groupby(comparison.rows, key=lambda row: row.backbone):
        lines += [
            r"\midrule",
            rf"\multicolumn{{{len(head)}}}{{l}}{{\textit{{{escape_latex(backbone)}}}}} \\",
        ]
        for row in rows:
            mark = "" if row.complete else r"$^\dagger$"
            cells = [
                rf"\textbf{{{cell}}}" if best else cell.replace(DASH, "--")
                for cell, best in _cells(comparison, row, plus_minus=r"$\pm$")
            ]
            name = escape_latex(row.method) + mark
            rank = text(row.average_rank, 2).replace(DASH, "--")
            lines.append(" & ".join([name, rank, *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def caption(comparison: Comparison) -> str:
    """What the table shows and how its numbers are made, in plain text."""
    return (
        f"Suite {comparison.suite}, {seconds(comparison.duration_s)} videos, "
        f"{comparison.num_prompts} prompts and {comparison.num_videos} videos per complete row. "
        "Mean ± standard error clustered by prompt. Bold: best mean within the backbone. "
        "Average rank: mean of the ranks within the backbone over the metrics that all its rows "
        "have, ties averaged. †: the row lacks videos that other rows have."
    )


def escape_latex(label: str) -> str:
    """`label` with everything that LaTeX would read as a command made literal."""
    return "".join(_LATEX.get(character, character) for character in _one_line(label))


def decimals_of(comparison: Comparison, name: str) -> int:
    """Decimals of the column of metric `name`."""
    return column_decimals(row.cells[name].mean for row in comparison.rows)


def _cells(comparison: Comparison, row: Row, plus_minus: str) -> list[tuple[str, bool]]:
    """The text of each metric cell of a row, and whether it is the best."""
    written = []
    for info in comparison.metrics:
        cell, decimals = row.cells[info.name], decimals_of(comparison, info.name)
        value = text(cell.mean, decimals)
        if cell.stderr is not None:
            value += f" {plus_minus} {text(cell.stderr, decimals)}"
        written.append((value, cell.best))
    return written


def _latex_head(info: MetricInfo) -> str:
    arrow = r"$\uparrow$" if info.higher_is_better else r"$\downarrow$"
    return f"{escape_latex(info.title)} {arrow}"


def _mark(row: Row) -> str:
    return "" if row.complete else " †"


def _markdown(label: str) -> str:
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|~" else c for c in _one_line(label))


def _one_line(label: str) -> str:
    return " ".join(label.split())
