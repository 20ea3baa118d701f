"""Builds the report of one or several sweeps: tables, plots and the page."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pandas as pd

from eval.statistics.memory import remembering
from harness.core.errors import ConfigError, LongtakeError
from harness.core.files import locked, remove_leftovers
from harness.core.names import file_stem
from harness.store.folders import require_sweep
from harness.store.frames import Sweep, load_sweeps
from harness.store.paths import StorePaths
from harness.store.score_parts import KeptParts
from reports.papers.latex import write_latex_tables
from reports.papers.quoted_files import load_quoted
from reports.papers.spread import spreads
from reports.site import schema
from reports.site.assets import Assets, AssetWriter
from reports.site.data_files import write_data
from reports.site.drawing import SecondProcess, second_process
from reports.site.inputs import digest, file_stamp, fingerprint, unit_stamps
from reports.site.laps import write_laps
from reports.site.leaderboard import boards, drift_curves, end_lines
from reports.site.memory import read_memory, write_memory
from reports.site.orders import order_tables
from reports.site.page import write_page
from reports.site.plots import Shown, write_plots
from reports.site.progress import Advance, silent
from reports.site.published import folder_hider, published
from reports.site.segments import segment_lines
from reports.site.site_data import site_data
from reports.site.state import (
    KeptTable,
    State,
    code_digest,
    count_files,
    read_state,
    remove_state,
    write_state,
)
from reports.site.store_differences import differences_to_first
from reports.site.unit_digests import UnitDigests, sorted_names
from reports.site.unit_pages import remove_others, write_unit_pages
from reports.site.video_list import showcase, video_pieces
from reports.tables.comparison import compare_all
from reports.tables.drift_tables import DriftTables, drift_tables
from reports.tables.export import write_drift, write_recall, write_segments, write_tables
from reports.tables.headline import headline
from reports.tables.recall import recall_points
from reports.tables.segments import segment_means
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
        headline: what came out, in one sentence.
    """

    index: Path
    tables: tuple[Path, ...]
    plots: tuple[Path, ...]
    ablations: tuple[Path, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    settled: bool = True
    comparisons: tuple[Comparison, ...] = ()
    headline: str = ""


def build_report(
    sweep_dir: Path | Sequence[Path],
    out: Path | None = None,
    options: ReportOptions | None = None,
    advance: Advance = silent,
) -> ReportPaths:
    """Read one or several sweep folders and write their report, that of experiments included.

    Where nothing changed since the last report, its files stay; else the pages of single videos are
    made only for what changed. Figures for papers are drawn last. Of several processes with the
    same `out` one builds, and the others wait for it.

    Args:
        sweep_dir: runs/<sweep>, or several to merge.
        out: folder of the report; by default runs/<sweep>/report of the first sweep. An earlier
            report there is overwritten. Linked videos are not copied, so keep both in place.
        options: see `ReportOptions`.
        advance: see `Advance`.

    Raises:
        ConfigError: the report must be made, and its folder may not be written to.
        LongtakeError: a folder is not a sweep, scores of several versions of a suite are mixed, or
            the options name something that does not exist.
    """
    options = options or ReportOptions()
    folders = [sweep_dir] if isinstance(sweep_dir, Path) else list(sweep_dir)
    folders = list(dict.fromkeys(Path(folder).resolve() for folder in folders))
    for folder in folders:
        require_sweep(folder)
    out = StorePaths(folders[0]).report_dir if out is None else Path(out).resolve()
    advance("files", 0, 0)
    stamps = unit_stamps(folders)
    quoted_stamps = [file_stamp(Path(path)) for path in options.quoted]
    setting = digest(code_digest(), repr(options), str(out), *map(str, folders), *quoted_stamps)
    files = fingerprint(folders, stamps)
    if finished := _unchanged(out, setting, files):  # without the lock: the folder may be read-only
        return finished
    with _alone_in(out):
        if finished := _unchanged(out, setting, files):
            return finished
        earlier = read_state(out)
        memory = read_memory(out)
        num_drawn = len(stamps.names) if options.papers else 0
        with remembering(memory), second_process(num_drawn) as second:
            state = _build(folders, out, options, stamps, earlier, second, advance)
        write_memory(out, memory)
        # What is made now may be called stopped later, without any change of a file.
        files = "" if state.counts["running"] else files
        state = replace(state, setting=setting, files=files, num_files=count_files(out))
        write_state(out, state)
    return _paths(out, state)


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Keep other processes out of the folder of a report."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(out / ".lock"))
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise ConfigError(
                f"{out} may not be written to ({error.strerror}), and the report there is missing "
                "or older than the sweep or this version. Choose another folder: out=FOLDER."
            ) from error
        yield


def _unchanged(out: Path, setting: str, files: str) -> ReportPaths | None:
    """Return the finished report in a folder if it was made from the same."""
    state = read_state(out)
    if state and (state.setting, state.files) == (setting, files) and state.is_whole(out):
        return _paths(out, state)
    return None


def _paths(out: Path, state: State) -> ReportPaths:
    tables, plots, ablations = (
        tuple(out / address for address in addresses)
        for addresses in (state.tables, state.plots, state.ablations)
    )
    return ReportPaths(
        index=out / "index.html",
        tables=tables,
        plots=plots,
        ablations=ablations,
        counts=state.counts,
        settled=state.settled,
        comparisons=tuple(table.comparison() for table in state.comparisons),
        headline=state.headline,
    )


def _build(
    folders: Sequence[Path],
    out: Path,
    options: ReportOptions,
    stamps: UnitDigests,
    earlier: State | None,
    second: SecondProcess,
    advance: Advance,
) -> State:
    """Build the report, and return its state without what names the inputs."""
    for_others = options.assets is not Assets.link
    advance("records and scores", 0, 0)
    kept = KeptParts(out / "kept", stamps.hexes, code_digest())
    sweep = load_sweeps(folders, kept)
    hide = folder_hider(sweep) if for_others else str
    if for_others:
        sweep = published(sweep)
    quoted = load_quoted(options.quoted)
    remove_leftovers(out)
    advance("tables", 0, 0)
    comparisons = compare_all(sweep, options.baseline)
    remove_state(out)  # not before: all inputs and options are read, and none was refused
    drift = drift_tables(sweep, comparisons)
    figures = earlier.figures if earlier else {}
    shown = Shown(sweep.methods, sweep.metrics, comparisons, drift.points)
    if options.papers:
        (out / "plots").mkdir(parents=True, exist_ok=True)
        second.start(shown, out / "plots", figures)
    recall = recall_points(sweep, comparisons)
    segments = segment_means(sweep, comparisons)
    assets = AssetWriter(sweep, out, options.assets, hide)
    addresses = assets.prepare(advance)
    pages = write_unit_pages(
        sweep, addresses, out, (code_digest(), options.assets), stamps, earlier, hide, advance
    )
    advance("lists of videos", 0, 0)
    data = out / "data"
    pieces = []
    for piece, videos in video_pieces(sweep, comparisons, addresses):
        write_data(data / "videos" / f"{piece.name}.js", f"videos/{piece.name}", videos)
        pieces.append(piece)
    remove_others(data / "videos", sorted_names(piece.name for piece in pieces))
    write_data(data / "drift.js", "drift", drift_curves(drift.points))
    write_data(data / "ends.js", "ends", end_lines(drift.ends))
    write_data(data / "segments.js", "segments", segment_lines(segments))
    write_data(data / "orders.js", "orders", order_tables(comparisons, quoted))
    write_data(data / "differences.js", "differences", differences_to_first(sweep))
    advance("files of tables", 0, 0)
    tables = _tables(sweep, comparisons, drift, recall, segments, out, write=options.papers)
    ablations, not_compared = _ablations(sweep, out, for_others, write=options.papers)
    site = site_data(
        sweep,
        boards(sweep, comparisons, drift.points, recall),
        pieces,
        quoted,
        spreads(quoted, comparisons),
        showcase(sweep, addresses),
        write_laps(sweep, comparisons, addresses, out / "laps", assets),
        headline(sweep, comparisons),
        assets.link_to,
    )
    trace_warnings = dict.fromkeys(text for texts in pages.warnings.values() for text in texts)
    more_warnings = [*assets.warnings, *trace_warnings, *not_compared]
    site = replace(
        site,
        live=options.live,
        warnings=[*site.warnings, *map(hide, more_warnings)],
        ablations=[schema.Link(name, assets.address_of(p)) for name, p in ablations.items()],
    )
    plots = _files(out / "plots")
    write_page(out, _with_files(site, assets, [*tables, *plots]))
    if options.papers:
        advance("figures for papers, the page is ready", 0, 0)
        drawn = write_plots(shown, out / "plots", figures | second.drawn(), advance)
        plots = [path for plot in drawn for path in plot.files]
        figures = {plot.files[0].stem: plot.digest for plot in drawn}
        write_page(out, _with_files(site, assets, [*tables, *plots]))
    kept.forget_others()
    return State(
        setting="",
        files="",
        pages=pages.stamps,
        page_warnings=pages.warnings,
        num_files={},
        figures=figures,
        tables=tuple(path.relative_to(out).as_posix() for path in tables),
        plots=tuple(path.relative_to(out).as_posix() for path in plots),
        ablations=tuple(path.relative_to(out).as_posix() for path in ablations.values()),
        counts=asdict(site.counts),
        settled=sweep.settled,
        headline=site.headline.text,
        comparisons=tuple(map(KeptTable.of, comparisons)),
    )


def _load(folders: Sequence[Path], for_others: bool) -> Sweep:
    sweep = load_sweeps(folders)
    return published(sweep) if for_others else sweep


def _with_files(site: schema.Site, assets: AssetWriter, files: Sequence[Path]) -> schema.Site:
    return replace(site, files=[schema.Link(p.name, assets.address_of(p)) for p in files])


def _tables(
    sweep: Sweep,
    comparisons: Sequence[Comparison],
    drift: DriftTables,
    recall: pd.DataFrame,
    segments: pd.DataFrame,
    out: Path,
    write: bool,
) -> list[Path]:
    """Write the tables, or list those of an earlier build."""
    tables, vbench = out / "tables", out / "vbench"
    if not write:
        return [*_files(tables), *_files(vbench)]
    tables.mkdir(parents=True, exist_ok=True)
    written = write_tables(sweep, comparisons, tables)
    written += write_drift(drift.ends, drift.intervals, tables)
    written += write_recall(recall, tables)
    written += write_segments(segments, tables)
    written += write_latex_tables(comparisons, tables)
    for comparison in comparisons:
        written += write_vbench_results(sweep, comparison, vbench)
    return written


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*")) if path.is_file()]


def _ablations(
    sweep: Sweep, out: Path, for_others: bool, write: bool
) -> tuple[dict[str, Path], list[str]]:
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
            from reports.studies.ablation_page import build_ablation  # likewise

            own = sweep if len(sweep.sources) == 1 else _load([source.folder], for_others)
            try:
                build_ablation(own, folder)
            except LongtakeError as error:
                warnings.append(f"no comparison of the experiment: {error}")
                continue
        if (folder / "index.html").is_file():
            pages[name] = folder / "index.html"
    return pages, warnings
