"""Drift curves: how each metric goes over the seconds of the videos.

One figure per metric (a panel per backbone) and one overview of all metrics, as SVG for papers and
PNG for slides. The same data gives the same bytes: no dates, and a fixed salt for SVG ids.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from eval.statistics import mean_and_stderr
from reports.load import Sweep
from reports.scores import MetricInfo
from reports.style import DARK, LIGHT, Stroke, strokes

PANEL_INCHES = (4.2, 2.7)
SMALL_PANEL_INCHES = (3.2, 2.0)
PANELS_PER_LINE = 4
LEGEND_INCHES = 0.35
LABEL_CHARS_PER_INCH = 11


@dataclass(frozen=True)
class Plot:
    """One figure: the stem of its files in the plots folder, and what it shows.

    Attributes:
        files: <stem>.svg, <stem>.dark.svg (the same in the colours of a dark page), <stem>.png.
        size_px: width and height, for the page's layout.
    """

    suite: str
    title: str
    files: tuple[Path, Path, Path]
    size_px: tuple[int, int]


def drift_points(sweep: Sweep) -> pd.DataFrame:
    """Mean and standard error (clustered by prompt) of every curve at every clip.

    Returns:
        suite, metric, backbone, method, second (middle of the clip), mean, stderr (NaN for one
        prompt). A clip is there only if all videos of the row that have the curve reach it with a
        value, so that no bend of a line comes from videos dropping out.
    """
    labels = sweep.units[["unit_id", "backbone", "method", "prompt_id"]]
    curves = sweep.curves.merge(labels, on="unit_id")
    curves["second"] = (curves["start_s"] + curves["end_s"]) / 2
    points = []
    keys = ["suite", "metric", "backbone", "method"]
    for row, curve in curves.groupby(keys, sort=False):
        num_videos = curve["unit_id"].nunique()
        for second, clip in curve.groupby("second"):
            known = clip[clip["value"].notna()]
            if len(known) < num_videos:
                continue
            estimate = mean_and_stderr(known["value"].tolist(), known["prompt_id"].tolist())
            points.append([*row, second, estimate.mean, estimate.stderr])
    return pd.DataFrame(points, columns=[*keys, "second", "mean", "stderr"]).astype(
        {"mean": float, "stderr": float}
    )


def write_plots(sweep: Sweep, folder: Path) -> list[Plot]:
    """Draw the drift curves of all suites into `folder`; each suite's overview comes first."""
    points = drift_points(sweep)
    look = strokes(sweep.methods)
    plots = []
    for suite, infos in sweep.metrics.items():
        of_suite = points[points["suite"] == suite]
        drawn = [info for info in infos.values() if info.name in set(of_suite["metric"])]
        if not drawn:
            continue
        stem = f"drift_{suite}"
        figures = [(stem, "All metrics", drawn, SMALL_PANEL_INCHES)]
        figures += [(f"{stem}_{info.name}", info.title, [info], PANEL_INCHES) for info in drawn]
        for name, title, metrics, panel in figures:
            with _drawing_style():
                figure = _figure(of_suite, metrics, sweep.backbones, look, panel)
                plots.append(_save(figure, suite, title, folder / name))
    return plots


def _figure(
    points: pd.DataFrame,
    metrics: Sequence[MetricInfo],
    backbones: Sequence[str],
    look: Mapping[str, Stroke],
    panel_inches: tuple[float, float],
) -> Figure:
    """A grid of panels: each metric takes one panel per backbone, side by side, on one scale."""
    metrics_per_line = min(len(metrics), max(1, PANELS_PER_LINE // len(backbones)))
    num_lines = -(-len(metrics) // metrics_per_line)
    num_columns = metrics_per_line * len(backbones)
    width, height = panel_inches
    figure = Figure(
        figsize=(width * num_columns, height * num_lines + LEGEND_INCHES), layout="constrained"
    )
    grid = figure.subplots(num_lines, num_columns, sharex=True, squeeze=False)
    panels = iter(grid.flat)
    for index, info in enumerate(metrics):
        of_metric = points[points["metric"] == info.name]
        group = [next(panels) for _ in backbones]
        for axes, backbone in zip(group, backbones, strict=True):
            _draw_panel(axes, of_metric[of_metric["backbone"] == backbone], look)
            if axes is not group[0]:
                axes.sharey(group[0])
                axes.tick_params(labelleft=False)
            if index < metrics_per_line:
                axes.set_title(_literal(backbone), fontweight="bold")
            if index >= len(metrics) - metrics_per_line:
                axes.set_xlabel("time (s)")
                axes.tick_params(labelbottom=True)
        arrow = "↑" if info.higher_is_better else "↓"
        unit = f" ({info.unit})" if info.unit else ""
        # Wrapped by hand: matplotlib wraps at the figure's edge, not at the panel's.
        label = textwrap.fill(f"{info.title}{unit} {arrow}", round(height * LABEL_CHARS_PER_INCH))
        group[0].set_ylabel(_literal(label))
    for axes in panels:
        axes.remove()
    figure.legend(
        [Line2D([], [], color=s.colour, linestyle=s.line, linewidth=1.8) for s in look.values()],
        [_literal(method) for method in look],
        loc="outside upper center",
        ncols=min(len(look), 2 * num_columns),
        frameon=False,
    )
    return figure


def _draw_panel(axes: Axes, points: pd.DataFrame, look: Mapping[str, Stroke]) -> None:
    for method, curve in points.groupby("method", sort=False):
        stroke = look[str(method)]
        second, mean = curve["second"].to_numpy(), curve["mean"].to_numpy()
        stderr = np.nan_to_num(curve["stderr"].to_numpy())
        axes.fill_between(
            second, mean - stderr, mean + stderr, color=stroke.colour, alpha=0.18, linewidth=0
        )
        axes.plot(second, mean, color=stroke.colour, linestyle=stroke.line, linewidth=1.6)
    if points.empty:
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", va="center")
    sns.despine(ax=axes)


@contextmanager
def _drawing_style() -> Iterator[None]:
    ink = LIGHT.ink
    with ExitStack() as stack:
        stack.enter_context(sns.axes_style("ticks", {"grid.color": LIGHT.rule, "axes.grid": True}))
        stack.enter_context(sns.plotting_context("paper"))
        stack.enter_context(
            mpl.rc_context(
                {
                    "svg.hashsalt": "longtake",
                    "font.family": "DejaVu Sans",  # ships with matplotlib: same on every machine
                    "text.color": ink,
                    "axes.labelcolor": ink,
                    "axes.titlecolor": ink,
                    "axes.edgecolor": LIGHT.muted,
                    "xtick.color": LIGHT.muted,
                    "ytick.color": LIGHT.muted,
                    "xtick.labelcolor": ink,
                    "ytick.labelcolor": ink,
                    "grid.linewidth": 0.6,
                    "axes.labelsize": 9,
                    "axes.titlesize": 10,
                    "legend.fontsize": 9,
                }
            )
        )
        yield


def _save(figure: Figure, suite: str, title: str, stem: Path) -> Plot:
    svg, dark, png = (stem.with_name(stem.name + end) for end in (".svg", ".dark.svg", ".png"))
    figure.savefig(svg, transparent=True, metadata={"Date": None})
    figure.savefig(png, dpi=200, facecolor="white")
    drawing = svg.read_text(encoding="utf-8")
    for light, other in LIGHT.to(DARK):
        drawing = drawing.replace(light, other)
    dark.write_text(drawing, encoding="utf-8")
    width, height = figure.get_size_inches() * 96
    return Plot(suite, title, (svg, dark, png), (round(width), round(height)))


def _literal(label: str) -> str:
    """`label` without matplotlib's formula mode."""
    return label.replace("$", r"\$")
