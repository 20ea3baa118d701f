"""Builds the whole report of one or several sweeps: tables, plots and the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import LongtakeError
from harness.store.frames import Sweep, load_sweeps
from harness.store.paths import StorePaths
from reports.papers.latex import write_latex_tables
from reports.papers.quoted import load_quoted
from reports.site.assets import Advance, Assets, AssetWriter
from reports.site.details import drift_data, showcase, unit_details, video_list
from reports.site.front import front_data
from reports.site.page import write_page
from reports.site.plots import write_plots
from reports.site.site_files import write_data
from reports.studies.ablation import EXPERIMENT
from reports.studies.ablation_page import build_ablation
from reports.tables.comparison import compare_all
from reports.tables.differences import differences
from reports.tables.drift import drift_points
from reports.tables.export import write_tables
from reports.tables.table import Comparison
from reports.tables.vbench_json import write_vbench_results


@dataclass(frozen=True)
class ReportOptions:
    """How a report is made.

    Attributes:
        assets: whether videos and files are linked, copied or left out.
        baseline: the method that others are compared with; see `reports.tables.comparison.compare`.
        quoted: YAML files of published tables.
        live: the page reloads itself when a later build changes it.
        papers: also write tables and plots, which take longest; False keeps those that are there.
    """

    assets: Assets = Assets.link
    baseline: str | None = None
    quoted: tuple[Path, ...] = ()
    live: bool = False
    papers: bool = True


@dataclass(frozen=True)
class ReportPaths:
    """The files a report consists of.

    Attributes:
        index: the page.
        tables, plots: files for papers.
        ablations: pages of the comparisons of the experiments among the sweeps.
        counts: units by status.
        settled: see `Sweep.settled`.
    """

    index: Path
    tables: tuple[Path, ...]
    plots: tuple[Path, ...]
    ablations: tuple[Path, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    settled: bool = True


def build_report(
    sweep_dir: Path | Sequence[Path],
    out: Path | None = None,
    options: ReportOptions | None = None,
    advance: Advance | None = None,
) -> ReportPaths:
    """Read one or several sweep folders and write their report, that of experiments included.

    Args:
        sweep_dir: runs/<sweep>, or several to merge.
        out: where to write; runs/<sweep>/report of the first sweep when None. Files of an earlier
            report there are overwritten. Linked videos stay where they are, so keep both in place.
        options: how to make it.
        advance: told how many of how many videos are looked at.

    Raises:
        LongtakeError: a folder is not a sweep, scores of several versions of a suite are mixed, or
            the options name something that is not there.
    """
    options = options or ReportOptions()
    folders = [sweep_dir] if isinstance(sweep_dir, Path) else list(sweep_dir)
    sweep = load_sweeps(folders)
    quoted = load_quoted(options.quoted)
    out = StorePaths(sweep.folder).report_dir if out is None else Path(out).resolve()
    comparisons = compare_all(sweep, options.baseline)
    points = drift_points(sweep, comparisons)
    assets = AssetWriter(sweep, out, options.assets)
    addresses = assets.prepare(advance)
    data = out / "data"
    trace_warnings: list[str] = []
    written = set()
    for unit_id, details, warnings in unit_details(sweep, addresses):
        write_data(data / "units" / f"{unit_id}.js", f"unit/{unit_id}", details)
        written.add(f"{unit_id}.js")
        trace_warnings += warnings
    for path in (data / "units").glob("*.js"):
        if path.name not in written:
            path.unlink()
    write_data(data / "videos.js", "videos", video_list(sweep, comparisons, addresses))
    write_data(data / "drift.js", "drift", drift_data(points))
    write_data(data / "differences.js", "differences", _differences(sweep))
    tables, plots = _papers(sweep, comparisons, points, out, write=options.papers)
    ablations, not_compared = _ablations(sweep, out, write=options.papers)
    front = front_data(sweep, comparisons, quoted, points, assets.link)
    front["warnings"] += [*assets.warnings, *dict.fromkeys(trace_warnings), *not_compared]
    front["files"] = [[path.name, assets.link(path)] for path in (*tables, *plots)]
    front["ablations"] = [[name, assets.link(path)] for name, path in ablations.items()]
    front["showcase"] = showcase(sweep, addresses)
    front["live"] = options.live
    index = write_page(out, front)
    return ReportPaths(
        index=index,
        tables=tuple(tables),
        plots=tuple(plots),
        ablations=tuple(ablations.values()),
        counts=front["counts"],
        settled=sweep.settled,
    )


def _papers(
    sweep: Sweep, comparisons: Sequence[Comparison], points: Any, out: Path, write: bool
) -> tuple[list[Path], list[Path]]:
    folders = [out / "tables", out / "plots", out / "vbench"]
    if not write:
        tables, plots, vbench = ([p for p in sorted(f.glob("*")) if p.is_file()] for f in folders)
        return [*tables, *vbench], plots
    for folder in folders[:2]:
        folder.mkdir(parents=True, exist_ok=True)
    tables = write_tables(sweep, comparisons, folders[0])
    tables += write_latex_tables(comparisons, folders[0])
    for comparison in comparisons:
        tables += write_vbench_results(sweep, comparison, folders[2])
    drawn = write_plots(sweep, comparisons, points, folders[1])
    return tables, [path for plot in drawn for path in plot.files]


def _ablations(sweep: Sweep, out: Path, write: bool) -> tuple[dict[str, Path], list[str]]:
    """Pages of the experiments by name, and why there is none; several get a folder each."""
    experiments = [source for source in sweep.sources if (source.folder / EXPERIMENT).is_file()]
    pages: dict[str, Path] = {}
    warnings = []
    for source in experiments:
        name = source.header.name
        folder = out / "ablation"
        if len(experiments) > 1:
            folder /= re.sub(r"[^\w.-]+", "_", name)
        if write:
            own = sweep if len(sweep.sources) == 1 else load_sweeps([source.folder])
            try:
                build_ablation(own, folder)
            except LongtakeError as error:
                warnings.append(f"no comparison of the experiment: {error}")
                continue
        if (folder / "index.html").is_file():
            pages[name] = folder / "index.html"
    return pages, warnings


def _differences(sweep: Sweep) -> list[dict[str, Any]]:
    """The first store against each other one."""
    if len(sweep.sources) < 2:
        return []
    stores = [load_sweeps([source.folder]) for source in sweep.sources]
    return [differences(stores[0], other) for other in stores[1:]]
