"""Builds the whole report of a sweep: tables, plots and the page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from reports.export import write_tables
from reports.leaderboard import render
from reports.load import load_sweep
from reports.plots import write_plots
from reports.tables import compare_all


@dataclass(frozen=True)
class ReportPaths:
    """The files a report consists of."""

    index: Path
    tables: tuple[Path, ...]
    plots: tuple[Path, ...]


def build_report(sweep_dir: Path, out: Path | None = None) -> ReportPaths:
    """Read one sweep folder and write its report.

    Args:
        sweep_dir: runs/<sweep>.
        out: where to write; runs/<sweep>/report when None. Files of an earlier report there are
            overwritten. The page links to the videos relatively, so keep both where they are.

    Raises:
        LongtakeError: `sweep_dir` is not a sweep folder.
    """
    sweep = load_sweep(sweep_dir)
    out = sweep.folder / "report" if out is None else Path(out).resolve()
    for folder in (out / "tables", out / "plots"):
        folder.mkdir(parents=True, exist_ok=True)
    comparisons = compare_all(sweep)
    tables = write_tables(sweep, comparisons, out / "tables")
    plots = write_plots(sweep, out / "plots")
    index = out / "index.html"
    page = render(sweep, comparisons, tables, plots, out)
    fresh = out / f".index-{os.getpid()}.html"
    fresh.write_text(page, encoding="utf-8")
    fresh.replace(index)  # somebody may be looking at the old page
    return ReportPaths(
        index=index,
        tables=tuple(tables),
        plots=tuple(path for plot in plots for path in plot.files),
    )
