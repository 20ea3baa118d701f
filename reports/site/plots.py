"""The figures for papers and slides: drift curves, and cost against quality.

Per suite an overview of all metrics, one figure per metric (a panel per backbone), and speed
against the average rank, as SVG and PDF for papers and PNG for slides. The same data gives the same
bytes: no dates, and a fixed salt for SVG ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from eval.metric import MetricInfo
from harness.core.names import file_stem
from reports.site.inputs import digest
from reports.site.panels import Axis, Curve, Grid, Mark, Panel
from reports.site.progress import Advance, silent
from reports.site.state import code_digest
from reports.site.style import Stroke, strokes
from reports.tables.formatting import one_line, seconds
from reports.tables.table import Comparison, Row

PANEL_POINTS = (302.0, 132.0)
SMALL_PANEL_POINTS = (230.0, 116.0)
PANELS_PER_LINE = 4
NAME_CHARS = 60

_Group = tuple[str, str]
"""A backbone and a prompt set."""


@dataclass(frozen=True)
class Shown:
    """The content of all figures of a report.

    Attributes:
        methods: in the order of the sweep.
        metrics: by suite and name.
        comparisons: its tables.
        points: of `reports.tables.drift.drift_points`.
    """

    methods: Sequence[str]
    metrics: Mapping[str, Mapping[str, MetricInfo]]
    comparisons: Sequence[Comparison]
    points: pd.DataFrame


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


@dataclass(frozen=True)
class _Lines:
    """The curves of one metric and group, with the digest of their numbers."""

    curves: tuple[Curve, ...]
    digest: str


def write_plots(
    shown: Shown,
    folder: Path,
    earlier: Mapping[str, str] | None = None,
    advance: Advance = silent,
) -> list[Plot]:
    """Draw the figures of all suites into `folder`, but those that would be as they are.

    Args:
        shown: what they are drawn from.
        folder: folder of the files.
        earlier: by stem the digest of a figure that is there.
        advance: called before each figure.

    Returns:
        Per suite the overview of all drift curves, one figure per metric, and cost against quality.
    """
    look = strokes(shown.methods)
    legend = tuple((_name(method), stroke) for method, stroke in look.items())
    plots: list[Plot] = []
    known = earlier or {}

    def add(suite: str, title: str, name: str, made_of: object, grid: Callable[[], Grid]) -> None:
        svg, pdf, png = (folder / f"{name}{end}" for end in (".svg", ".pdf", ".png"))
        plot = Plot(suite, title, (svg, pdf, png), digest(code_digest(), repr((made_of, look))))
        plots.append(plot)
        if known.get(name) == plot.digest and all(path.is_file() for path in plot.files):
            return
        advance("figures for papers, the page is ready", len(plots) - 1, 0)
        # Imported here: it takes as long as finding that nothing is to be drawn.
        from reports.site.charts import save

        save(grid(), *plot.files)

    for suite, infos in shown.metrics.items():
        lines = _lines(shown.points[shown.points["suite"] == suite], look)
        groups = list(dict.fromkeys(group for of_metric in lines.values() for group in of_metric))
        drawn = [info for info in infos.values() if info.name in lines]
        stem = f"drift_{suite}"
        figures = [(stem, "Drift of all metrics", drawn, SMALL_PANEL_POINTS)] if drawn else []
        figures += [
            (f"drift_{file_stem(suite, info.name)}", info.title, [info], PANEL_POINTS)
            for info in drawn
        ]
        for name, title, metrics, size in figures:
            numbers = [[(g, one.digest) for g, one in lines[i.name].items()] for i in metrics]
            grid = partial(_drift_grid, metrics, groups, lines, legend, size)
            add(suite, title, name, (metrics, groups, numbers), grid)
        for table in shown.comparisons:
            compared = [group for group in table.groups if len(group.settings) < 2]
            rows = [r for g in compared for r in g.rows if r.average_rank and r.frames_per_s]
            if table.suite == suite and rows:
                title = f"Cost and quality, {seconds(table.duration_s)}"
                costs = [
                    [r.backbone, r.prompt_set, r.method, r.frames_per_s, *_rank(r)] for r in rows
                ]
                add(suite, title, f"cost_{table.name}", costs, partial(_cost_grid, rows, look))
    return plots


def _lines(points: pd.DataFrame, look: Mapping[str, Stroke]) -> dict[str, dict[_Group, _Lines]]:
    """Return the curves of a suite by metric and group."""
    found: dict[str, dict[_Group, list[Curve]]] = {}
    keys = ["metric", "backbone", "prompt_set", "method"]
    for labels, line in points.groupby(keys, sort=False):
        metric, backbone, prompt_set, method = map(str, labels)
        second, mean, stderr = (line[name].to_numpy() for name in ("second", "mean", "stderr"))
        error = np.nan_to_num(stderr)
        band = [np.column_stack([second, mean - error]), np.column_stack([second, mean + error])]
        curve = Curve(
            np.column_stack([second, mean]),
            np.concatenate([band[0], band[1][::-1]]),
            look[method],
        )
        found.setdefault(metric, {}).setdefault((backbone, prompt_set), []).append(curve)
    return {
        metric: {group: _Lines(tuple(curves), _digest(curves)) for group, curves in groups.items()}
        for metric, groups in found.items()
    }


def _digest(curves: Sequence[Curve]) -> str:
    """Return a digest of all that is drawn of curves."""
    return digest(
        *(f"{c.points_N2.tobytes().hex()} {c.band_N2.tobytes().hex()} {c.stroke}" for c in curves)
    )


def _rank(row: Row) -> tuple[object, ...]:
    return row.average_rank, row.rank_interval


def _drift_grid(
    metrics: Sequence[MetricInfo],
    groups: Sequence[_Group],
    lines: Mapping[str, Mapping[_Group, _Lines]],
    legend: tuple[tuple[str, Stroke], ...],
    size: tuple[float, float],
) -> Grid:
    """Draw per metric one panel per group, side by side, on one scale."""
    per_line = min(len(metrics), max(1, PANELS_PER_LINE // len(groups)))
    every = [one for i in metrics for of_group in lines[i.name].values() for one in of_group.curves]
    span_s = _span(np.concatenate([curve.points_N2[:, 0] for curve in every]))
    panels = []
    for index, info in enumerate(metrics):
        shown = [lines[info.name].get(group) for group in groups]
        bands = [curve.band_N2[:, 1] for one in shown if one for curve in one.curves]
        span = _span(np.concatenate(bands))
        unit = f" ({info.unit})" if info.unit else ""
        label = one_line(f"{info.title}{unit}")
        better = (1 if info.higher_is_better else -1) if info.quality else 0
        is_last = index >= len(metrics) - per_line
        for place, (group, one) in enumerate(zip(groups, shown, strict=True)):
            panels.append(
                Panel(
                    Axis(*span_s, "time (s)", numbered=is_last),
                    Axis(*span, label, better, numbered=place == 0),
                    _panel_title(group, groups) if index < per_line else "",
                    one.curves if one else (),
                )
            )
    return Grid(tuple(panels), per_line * len(groups), size, legend)


def _cost_grid(rows: Sequence[Row], look: Mapping[str, Stroke]) -> Grid:
    """Plot speed against average rank, a panel per group, with the better corner upper right."""
    groups = list(dict.fromkeys((row.backbone, row.prompt_set) for row in rows))
    marks: dict[_Group, list[Mark]] = {group: [] for group in groups}
    for row in rows:
        assert row.frames_per_s and row.average_rank
        low = high = None
        if row.rank_interval is not None:
            # A percentile interval need not contain the mean.
            low = min(row.average_rank, row.rank_interval.low)
            high = max(row.average_rank, row.rank_interval.high)
        mark = Mark(row.frames_per_s, row.average_rank, low, high, look[row.method])
        marks[row.backbone, row.prompt_set].append(mark)
    ends = [e for of_group in marks.values() for m in of_group for e in (m.y, m.low, m.high)]
    best, worst = _span(np.array([end for end in ends if end is not None]))
    panels = tuple(
        Panel(
            Axis(*_span(np.array([mark.x for mark in of_group])), "frames per s", 1),
            Axis(worst, best, "average rank (1 is best)", 1, numbered=place == 0),
            _panel_title(group, groups),
            marks=tuple(of_group),
        )
        for place, (group, of_group) in enumerate(marks.items())
    )
    methods = dict.fromkeys(row.method for row in rows)
    legend = tuple((_name(method), look[method]) for method in methods)
    return Grid(panels, len(groups), PANEL_POINTS, legend, with_markers=True)


def _panel_title(panel: _Group, panels: Sequence[_Group]) -> str:
    """Return the backbone, with the prompt set if the backbone has several."""
    backbone, prompt_set = panel
    several = sum(other == backbone for other, _ in panels) > 1
    return _name(f"{backbone}, {prompt_set}" if several else backbone)


def _span(values: np.ndarray) -> tuple[float, float]:
    """Return the limits of an axis that shows the values, with the margins of matplotlib."""
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def _name(label: str) -> str:
    """Return a label on one line of bounded length."""
    line = one_line(label)
    return line if len(line) <= NAME_CHARS else f"{line[: NAME_CHARS - 1]}…"
