"""The figures for papers and slides: drift curves, and cost against quality.

Per suite an overview of all metrics, one figure per metric (a panel per backbone), and speed
against the average rank, as SVG and PDF for papers and PNG for slides. The same data gives the same
bytes: no dates, and a fixed salt for SVG ids.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from eval.metric import MetricInfo
from harness.core.names import file_stem
from harness.store.frames import Sweep
from reports.site.inputs import digest
from reports.site.progress import Advance, silent
from reports.site.state import code_digest
from reports.site.style import LIGHT, LINES, Stroke, strokes
from reports.tables.formatting import one_line, seconds
from reports.tables.table import Comparison, Row

PANEL_INCHES = (4.2, 2.7)
SMALL_PANEL_INCHES = (3.2, 2.0)
PANELS_PER_LINE = 4
LEGEND_INCHES = 0.35
MARKERS = ("o", "s", "^", "D")  # one per line style
LABEL_CHARS_PER_INCH = 11
NAME_CHARS = 60


@dataclass(frozen=True)
class Plot:
    """One figure: the stem of its files in the plots folder, and what it shows.

    Attributes:
        files: <stem>.svg and .pdf for papers, .png for slides.
        digest: of what it is drawn from.
    """

    suite: str
    title: str
    files: tuple[Path, Path, Path]
    digest: str


def write_plots(
    sweep: Sweep,
    comparisons: Sequence[Comparison],
    points: pd.DataFrame,
    folder: Path,
    earlier: Mapping[str, str] | None = None,
    advance: Advance = silent,
) -> list[Plot]:
    """Draw the figures of all suites into `folder`, but those that would be as they are.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables.
        points: of `reports.tables.drift.drift_points`.
        folder: folder of the files.
        earlier: by stem the digest of a figure that is there.
        advance: called before each figure.

    Returns:
        Per suite the overview of all drift curves, one figure per metric, and cost against quality.
    """
    look = strokes(sweep.methods)
    plots: list[Plot] = []
    known = earlier or {}

    def add(suite: str, title: str, name: str, made_of: object, draw: Callable[[], Figure]) -> None:
        svg, pdf, png = (folder / f"{name}{end}" for end in (".svg", ".pdf", ".png"))
        plot = Plot(suite, title, (svg, pdf, png), digest(code_digest(), repr((made_of, look))))
        plots.append(plot)
        if known.get(name) == plot.digest and all(path.is_file() for path in plot.files):
            return
        advance("figures for papers, the page is ready", len(plots) - 1, 0)
        with _drawing_style():
            _save(draw(), plot)

    for suite, infos in sweep.metrics.items():
        of_suite = points[points["suite"] == suite]
        panels = list(dict.fromkeys(zip(of_suite["backbone"], of_suite["prompt_set"], strict=True)))
        drawn = [info for info in infos.values() if info.name in set(of_suite["metric"])]
        stem = f"drift_{suite}"
        figures = [(stem, "Drift of all metrics", drawn, SMALL_PANEL_INCHES)] if drawn else []
        figures += [
            (f"drift_{file_stem(suite, info.name)}", info.title, [info], PANEL_INCHES)
            for info in drawn
        ]
        for name, title, metrics, panel in figures:
            shown = of_suite[of_suite["metric"].isin([info.name for info in metrics])]
            made_of = (metrics, panels, shown.to_dict("split"))
            add(suite, title, name, made_of, partial(_figure, shown, metrics, panels, look, panel))
        for table in comparisons:
            groups = [group for group in table.groups if len(group.settings) < 2]
            rows = [r for g in groups for r in g.rows if r.average_rank and r.frames_per_s]
            if table.suite == suite and rows:
                title = f"Cost and quality, {seconds(table.duration_s)}"
                costs = [
                    [r.backbone, r.prompt_set, r.method, r.frames_per_s, *_rank(r)] for r in rows
                ]
                add(suite, title, f"cost_{table.name}", costs, partial(_cost_figure, rows, look))
    return plots


def _rank(row: Row) -> tuple[object, ...]:
    return row.average_rank, row.rank_interval


def _cost_figure(rows: Sequence[Row], look: Mapping[str, Stroke]) -> Figure:
    """Plot speed against average rank, a panel per group, with the better corner upper right."""
    groups = list(dict.fromkeys((row.backbone, row.prompt_set) for row in rows))
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * len(groups), height + LEGEND_INCHES), layout="constrained")
    grid = figure.subplots(1, len(groups), sharey=True, squeeze=False)
    for axes, group in zip(grid.flat, groups, strict=True):
        for row in rows:
            if (row.backbone, row.prompt_set) != group:
                continue
            bars = None
            if row.rank_interval is not None and row.average_rank is not None:
                low, high = row.rank_interval
                # A percentile interval need not contain the mean.
                bars = [[max(0, row.average_rank - low)], [max(0, high - row.average_rank)]]
            marker = MARKERS[LINES.index(look[row.method].line)]
            axes.errorbar(
                [row.frames_per_s],
                [row.average_rank],
                yerr=bars,
                color=look[row.method].colour,
                marker=marker,
                markersize=7,
                linestyle="none",
            )
        axes.set_title(_name(_panel_title(group, groups)), fontweight="bold")
        axes.set_xlabel("frames per s →")
        axes.spines[["top", "right"]].set_visible(False)
    grid.flat[0].set_ylabel("average rank (1 is best) ↑")
    grid.flat[0].invert_yaxis()
    methods = list(dict.fromkeys(row.method for row in rows))
    figure.legend(
        [
            Line2D(
                [],
                [],
                color=look[m].colour,
                linestyle="none",
                marker=MARKERS[LINES.index(look[m].line)],
            )
            for m in methods
        ],
        [_name(method) for method in methods],
        loc="outside upper center",
        ncols=min(len(methods), 4 * len(groups)),
        frameon=False,
    )
    return figure


def _panel_title(panel: tuple[str, str], panels: Sequence[tuple[str, str]]) -> str:
    """Return the backbone, with the prompt set if the backbone has several."""
    backbone, prompt_set = panel
    several = sum(other == backbone for other, _ in panels) > 1
    return f"{backbone}, {prompt_set}" if several else backbone


def _figure(
    points: pd.DataFrame,
    metrics: Sequence[MetricInfo],
    groups: Sequence[tuple[str, str]],
    look: Mapping[str, Stroke],
    panel_inches: tuple[float, float],
) -> Figure:
    """Create a grid of panels: per metric one panel per group, side by side, on one scale."""
    metrics_per_line = min(len(metrics), max(1, PANELS_PER_LINE // len(groups)))
    num_lines = -(-len(metrics) // metrics_per_line)
    num_columns = metrics_per_line * len(groups)
    width, height = panel_inches
    figure = Figure(
        figsize=(width * num_columns, height * num_lines + LEGEND_INCHES), layout="constrained"
    )
    # Not shared by matplotlib, which then looks at all panels after each line.
    grid = figure.subplots(num_lines, num_columns, squeeze=False)
    span_s = _span(points["second"].to_numpy())
    panels = iter(grid.flat)
    for index, info in enumerate(metrics):
        of_metric = points[points["metric"] == info.name]
        span = _span(np.concatenate(_bands(of_metric)))
        row = [next(panels) for _ in groups]
        for axes, group in zip(row, groups, strict=True):
            same = (of_metric["backbone"] == group[0]) & (of_metric["prompt_set"] == group[1])
            axes.set(xlim=span_s, ylim=span)
            _draw_panel(axes, of_metric[same], look)
            is_last = index >= len(metrics) - metrics_per_line
            axes.tick_params(labelbottom=is_last, labelleft=axes is row[0])
            if index < metrics_per_line:
                axes.set_title(_name(_panel_title(group, groups)), fontweight="bold")
            if is_last:
                axes.set_xlabel("time (s)")
        unit = f" ({info.unit})" if info.unit else ""
        # Wrapped by hand, because matplotlib wraps at the edge of the figure, not of the panel.
        label = textwrap.fill(
            f"{info.title}{unit} {info.arrow}".rstrip(), round(height * LABEL_CHARS_PER_INCH)
        )
        row[0].set_ylabel(_literal(label))
    for axes in panels:
        axes.remove()
    figure.legend(
        [Line2D([], [], color=s.colour, linestyle=s.line, linewidth=1.8) for s in look.values()],
        [_name(method) for method in look],
        loc="outside upper center",
        ncols=min(len(look), 2 * num_columns),
        frameon=False,
    )
    return figure


def _draw_panel(axes: Axes, points: pd.DataFrame, look: Mapping[str, Stroke]) -> None:
    """Draw the curves of all methods, as few collections: an artist a curve takes seconds."""
    lines: dict[str, list[tuple[np.ndarray, str]]] = {}
    bands = []
    for method, curve in points.groupby("method", sort=False):
        stroke = look[str(method)]
        second, (low, high) = curve["second"].to_numpy(), _bands(curve)
        there_and_back = np.concatenate([second, second[::-1]])
        bands.append((np.column_stack([there_and_back, [*low, *high[::-1]]]), stroke.colour))
        line = np.column_stack([second, curve["mean"].to_numpy()])
        lines.setdefault(stroke.line, []).append((line, stroke.colour))
    if bands:
        shapes, colours = zip(*bands, strict=True)
        axes.add_collection(
            PolyCollection(shapes, facecolors=colours, alpha=0.18, linewidths=0), autolim=False
        )
    for style, of_style in lines.items():
        shapes, colours = zip(*of_style, strict=True)
        cap = "round" if style == LINES[0] else "butt"
        drawn = LineCollection(shapes, colors=colours, linestyles=style, linewidths=1.6)
        drawn.set(capstyle=cap, joinstyle="round", zorder=2)
        axes.add_collection(drawn, autolim=False)
    if points.empty:
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", va="center")
    axes.spines[["top", "right"]].set_visible(False)


def _bands(points: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each point minus and plus its standard error."""
    mean, stderr = points["mean"].to_numpy(), np.nan_to_num(points["stderr"].to_numpy())
    return mean - stderr, mean + stderr


def _span(values: np.ndarray) -> tuple[float, float]:
    """Return the limits of an axis that shows the values, with the margins of matplotlib."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


@contextmanager
def _drawing_style() -> Iterator[None]:
    ink = LIGHT.ink
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        # A label may hold an emoji, which the font lacks; the figure shows a box in its place.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        stack.enter_context(
            mpl.rc_context(
                {
                    "svg.hashsalt": "longtake",
                    "pdf.fonttype": 42,  # keep text as text
                    "font.family": "DejaVu Sans",  # ships with matplotlib, so all machines have it
                    "font.size": 9.6,
                    "text.color": ink,
                    "axes.labelcolor": ink,
                    "axes.titlecolor": ink,
                    "axes.edgecolor": LIGHT.muted,
                    "xtick.color": LIGHT.muted,
                    "ytick.color": LIGHT.muted,
                    "xtick.labelcolor": ink,
                    "ytick.labelcolor": ink,
                    "xtick.labelsize": 8.8,
                    "ytick.labelsize": 8.8,
                    "xtick.major.size": 4.8,
                    "ytick.major.size": 4.8,
                    "xtick.major.width": 1,
                    "ytick.major.width": 1,
                    "lines.linewidth": 1.2,
                    "lines.markersize": 4.8,
                    "lines.solid_capstyle": "round",
                    "patch.linewidth": 0.8,
                    "patch.edgecolor": "white",
                    "patch.force_edgecolor": True,
                    "axes.grid": True,
                    "axes.axisbelow": True,
                    "axes.linewidth": 1,
                    "grid.color": LIGHT.rule,
                    "grid.linewidth": 0.6,
                    "axes.labelsize": 9,
                    "axes.titlesize": 10,
                    "legend.fontsize": 9,
                }
            )
        )
        yield


def _save(figure: Figure, plot: Plot) -> None:
    svg, pdf, png = plot.files
    layout = figure.get_layout_engine()
    assert layout is not None
    layout.execute(figure)  # once for all files
    figure.set_layout_engine(None)
    figure.savefig(svg, transparent=True, metadata={"Date": None})
    figure.savefig(pdf, transparent=True, metadata={"CreationDate": None})
    # In half the time of the usual level, for an eighth more bytes.
    figure.savefig(png, dpi=200, facecolor="white", pil_kwargs={"compress_level": 2})


def _name(label: str) -> str:
    """Return a label on one line of bounded length; a legend leaves out names that begin with _."""
    line = one_line(label)
    line = line if len(line) <= NAME_CHARS else f"{line[: NAME_CHARS - 1]}…"
    return _literal(f" {line}" if line.startswith("_") else line)


def _literal(label: str) -> str:
    """Escape `label` so that matplotlib does not read formulas in it."""
    return label.replace("$", r"\$")
