"""Builds the report of one or several sweeps: tables, plots and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pandas as pd

from harness.core.errors import LongtakeError
from harness.core.files import remove_leftovers
from harness.core.names import file_stem
from harness.store.frames import Sweep, load_sweeps
from harness.store.paths import StorePaths
from reports.papers.latex import write_latex_tables
from reports.papers.quoted_files import load_quoted
from reports.papers.spread import spreads
from reports.site import schema
from reports.site.assets import Advance, Assets, AssetWriter
from reports.site.data_files import write_data
from reports.site.laps import write_laps
from reports.site.leaderboard import boards, drift_curves
from reports.site.page import write_page
from reports.site.plots import write_plots
from reports.site.site_data import site_data
from reports.site.store_differences import store_differences
from reports.site.video_data import video_data
from reports.site.video_list import showcase, video_list
from reports.studies.ablation_page import build_ablation
from reports.tables.comparison import compare_all
from reports.tables.drift import drift_points
from reports.tables.export import write_recall, write_tables
from reports.tables.headline import headline
from reports.tables.recall import recall_points
from reports.tables.table import Comparison
from reports.tables.vbench_json import write_vbench_results


@dataclass(frozen=True)
class ReportOptions:
    """The options of a report.

    Attributes:
        assets: whether videos and files are linked, copied or left out.
        baseline: the method that others are compared with; see `reports.tables.comparison.compare`.
        quoted: YAML files of published tables, or names of `reports.papers.quoted_files.SHIPPED`.
        live: the page reloads itself when a later build changes it.
        papers: also write tables and plots, which is the slowest part; False keeps existing ones.
    """

    assets: Assets = Assets.link
    baseline: str | None = None
    quoted: tuple[Path, ...] = ()
    live: bool = False
    papers: bool = True


@dataclass(frozen=True)
class ReportPaths:
    """The files of a report.

    Attributes:
        index: the page.
        tables, plots: files for papers.
        ablations: pages of those sweeps that are experiments.
        counts: units by status.
        settled: see `Sweep.settled`.
        comparisons: the tables of all suites and durations.
    """

    index: Path
    tables: tuple[Path, ...]
    plots: tuple[Path, ...]
    ablations: tuple[Path, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    settled: bool = True
    comparisons: tuple[Comparison, ...] = ()


def build_report(
    sweep_dir: Path | Sequence[Path],
    out: Path | None = None,
    options: ReportOptions | None = None,
    advance: Advance | None = None,
) -> ReportPaths:
    """Read one or several sweep folders and write their report, that of experiments included.

    Args:
        sweep_dir: runs/<sweep>, or several to merge.
        out: folder of the report; by default runs/<sweep>/report of the first sweep. An earlier
            report there is overwritten. Linked videos are not copied, so keep both in place.
        options: see `ReportOptions`.
        advance: called with the number of prepared videos and of all videos.

    Raises:
        LongtakeError: a folder is not a sweep, scores of several versions of a suite are mixed, or
            the options name something that does not exist.
    """
    options = options or ReportOptions()
    folders = [sweep_dir] if isinstance(sweep_dir, Path) else list(sweep_dir)
    sweep = load_sweeps(folders)
    quoted = load_quoted(options.quoted)
    out = StorePaths(sweep.folder).report_dir if out is None else Path(out).resolve()
    remove_leftovers(out)
    comparisons = compare_all(sweep, options.baseline)
    points = drift_points(sweep, comparisons)
    recall = recall_points(sweep, comparisons)
    assets = AssetWriter(sweep, out, options.assets)
    addresses = assets.prepare(advance)
    data = out / "data"
    trace_warnings: list[str] = []
    written = set()
    for video, warnings in video_data(sweep, addresses):
        name = f"{video.unit_id}.js"
        write_data(data / "units" / name, f"unit/{video.unit_id}", video)
        written.add(name)
        trace_warnings += warnings
    for path in (data / "units").glob("*.js"):
        if path.name not in written:
            path.unlink()
    write_data(data / "videos.js", "videos", video_list(sweep, comparisons, addresses))
    write_data(data / "drift.js", "drift", drift_curves(points))
    write_data(data / "differences.js", "differences", _differences(sweep))
    tables, plots = _papers(sweep, comparisons, points, recall, out, write=options.papers)
    ablations, not_compared = _ablations(sweep, out, write=options.papers)
    site = site_data(
        sweep,
        boards(sweep, comparisons, points, recall),
        quoted,
        spreads(quoted, comparisons),
        showcase(sweep, addresses),
        write_laps(sweep, comparisons, addresses, out / "laps", assets),
        headline(sweep, comparisons),
        assets.address_of,
    )
    more_warnings = [*assets.warnings, *dict.fromkeys(trace_warnings), *not_compared]
    site = replace(
        site,
        live=options.live,
        warnings=[*site.warnings, *more_warnings],
        files=[schema.Link(path.name, assets.address_of(path)) for path in (*tables, *plots)],
        ablations=[schema.Link(name, assets.address_of(p)) for name, p in ablations.items()],
    )
    return ReportPaths(
        index=write_page(out, site),
        tables=tuple(tables),
        plots=tuple(plots),
        ablations=tuple(ablations.values()),
        counts=asdict(site.counts),
        settled=sweep.settled,
        comparisons=tuple(comparisons),
    )


def _papers(
    sweep: Sweep,
    comparisons: Sequence[Comparison],
    points: pd.DataFrame,
    recall: pd.DataFrame,
    out: Path,
    write: bool,
) -> tuple[list[Path], list[Path]]:
    """Write the tables and plots, or list those of an earlier build."""
    folders = [out / "tables", out / "plots", out / "vbench"]
    if not write:
        tables, plots, vbench = ([p for p in sorted(f.glob("*")) if p.is_file()] for f in folders)
        return [*tables, *vbench], plots
    for folder in folders[:2]:
        folder.mkdir(parents=True, exist_ok=True)
    tables = write_tables(sweep, comparisons, folders[0])
    tables += write_recall(recall, folders[0])
    tables += write_latex_tables(comparisons, folders[0])
    for comparison in comparisons:
        tables += write_vbench_results(sweep, comparison, folders[2])
    drawn = write_plots(sweep, comparisons, points, folders[1])
    return tables, [path for plot in drawn for path in plot.files]


def _ablations(sweep: Sweep, out: Path, write: bool) -> tuple[dict[str, Path], list[str]]:
    """Return the pages of the experiments by name, and the reasons why others have none.

    Each of several experiments gets its own folder. Without `write`, existing pages are kept.
    """
    experiments = [
        source for source in sweep.sources if StorePaths(source.folder).experiment_path.is_file()
    ]
    pages: dict[str, Path] = {}
    warnings = []
    for source in experiments:
        name = source.header.name
        folder = out / "ablation"
        if len(experiments) > 1:
            folder /= file_stem(name)
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


def _differences(sweep: Sweep) -> list[schema.StoreDifferences]:
    """Compare the first store with each other one."""
    if len(sweep.sources) < 2:
        return []
    stores = [load_sweeps([source.folder]) for source in sweep.sources]
    return [store_differences(stores[0], other) for other in stores[1:]]
