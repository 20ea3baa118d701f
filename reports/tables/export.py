"""Writes comparisons as CSV and Parquet (full precision), Markdown and LaTeX (booktabs) files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from harness.store.frames import Sweep
from harness.store.scores import MetricInfo
from reports.tables.boards import Kind
from reports.tables.comparison import Comparison, Row, timing_table
from reports.tables.formatting import DASH, column_decimals, seconds, text

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

    One .csv, .parquet, .md and .tex per comparison, and what is behind them: units (what became of
    each unit), scores (one line per unit, duration and metric), timings (mean seconds per row), all
    as .csv and .parquet, and curves.parquet.
    """
    written = []
    for comparison in comparisons:
        written += _write_frame(comparison.frame(), folder / comparison.name)
        for suffix, content in (("md", markdown(comparison)), ("tex", latex(comparison))):
            path = folder / f"{comparison.name}.{suffix}"
            path.write_text(content, encoding="utf-8")
            written.append(path)
    units = sweep.units.drop(columns=["backbone_args", "method_args"])
    units["source"] = [sweep.sources[index].header.name for index in units["source"]]
    for name, frame in (
        ("units", units),
        ("scores", sweep.scores),
        ("timings", timing_table(sweep)),
    ):
        written += _write_frame(frame, folder / name)
    path = folder / "curves.parquet"
    sweep.curves.to_parquet(path, index=False)
    return [*written, path]


def _write_frame(frame: pd.DataFrame, stem: Path) -> list[Path]:
    csv, parquet = (stem.with_name(stem.name + suffix) for suffix in (".csv", ".parquet"))
    frame.to_csv(csv, index=False, lineterminator="\n")
    # Facts that nothing states are columns of nothing, which have no type by themselves.
    untyped = [name for name in frame if frame[name].isna().all()]
    frame.astype(dict.fromkeys(untyped, "float64")).to_parquet(parquet, index=False)
    return [csv, parquet]


def markdown(comparison: Comparison) -> str:
    """The comparison as a Markdown table with a caption below it."""
    head = ["Backbone", "Prompt set", "Method", "Avg. rank"]
    head += [
        f"{_markdown(info.title)} {'↑' if info.higher_is_better else '↓'}"
        for info in comparison.metrics
    ]
    head += ["Prompts", "Videos"]
    lines = [head, ["---"] * 3 + ["---:"] * (len(head) - 3)]
    for row in comparison.rows:
        cells = [
            f"**{cell}**" if best else cell
            for cell, best in _cells(comparison, row, plus_minus="±")
        ]
        group = comparison.group(row)
        counts = [str(group.num_prompts), str(len(group.pairs))] if row.competes else ["0", "0"]
        name = _markdown(row.method) + _mark(row)
        place = [_markdown(row.backbone), _markdown(row.prompt_set)]
        lines.append([*place, name, text(row.average_rank, 2), *cells, *counts])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\n{caption(comparison)}\n"


def latex(comparison: Comparison) -> str:
    r"""The comparison as a LaTeX tabular; needs \usepackage{booktabs}."""
    head = ["Method", "Avg.\\ rank"]
    head += [latex_head(info) for info in comparison.metrics]
    lines = [
        f"% {_one_line(caption(comparison))}",
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
    ]
    for (backbone, prompt_set), rows in groupby(
        comparison.rows, key=lambda row: (row.backbone, row.prompt_set)
    ):
        heading = escape_latex(f"{backbone}, {prompt_set}" if prompt_set else backbone)
        lines += [
            r"\midrule",
            rf"\multicolumn{{{len(head)}}}{{l}}{{\textit{{{heading}}}}} \\",
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
    groups = "; ".join(
        f"{group.backbone}: {group.num_prompts} prompts, {len(group.pairs)} videos per row"
        for group in comparison.groups
    )
    note = "These are no VBench scores. " if comparison.kind is Kind.proxy else ""
    return (
        f"Suite {comparison.suite} ({comparison.kind}), version {comparison.version}, "
        f"{seconds(comparison.duration_s)} videos. {note}{groups}. "
        "Mean ± standard error clustered by prompt, over the prompts and seeds that all compared "
        "rows of a backbone have. Bold: best mean within the backbone. Average rank: mean of the "
        "ranks within the backbone over the metrics that all its rows have, ties averaged. "
        "†: the row lacks videos that other rows have."
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


def latex_head(info: MetricInfo) -> str:
    """The head of a metric's column."""
    arrow = r"$\uparrow$" if info.higher_is_better else r"$\downarrow$"
    return f"{escape_latex(info.title)} {arrow}"


def _mark(row: Row) -> str:
    return "" if row.complete else " †"


def _markdown(label: str) -> str:
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|~" else c for c in _one_line(label))


def _one_line(label: str) -> str:
    return " ".join(label.split())
