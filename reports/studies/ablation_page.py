"""Files of an experiment's comparisons: CSV, Markdown, plots and one page that shows them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, select_autoescape
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from eval.statistics import MARK_LEVELS, MIN_CLUSTERS, NoInterval
from harness.store.frames import Sweep
from harness.store.header import UNKNOWN_REVISION
from reports.site.style import PALETTE
from reports.studies.ablation import ALL, Ablation, RowComparison, compare_rows
from reports.tables.formatting import (
    DASH,
    bounds,
    column_decimals,
    error_of,
    length_stem,
    number,
    seconds,
    signed,
)
from reports.tables.spreadsheet import write_csv

_PANELS_PER_LINE = 4
_TEMPLATES = Path(__file__).parent / "templates"
_MARKS = ("", "*", "**")
_ONE, _TWO = MARK_LEVELS
LEGEND = (
    "Mean over videos and, in brackets, the difference to the first column: its mean and 95 % "
    f"interval (paired videos, bootstrap-t over prompts). * p < {_ONE:g}, ** p < {_TWO:g}, "
    "corrected for all rows and metrics of the table by flips of the signs of whole prompts "
    "(Romano and Wolf): of tables without any difference, at most one in twenty has a *. "
    f"No intervals and no marks below {MIN_CLUSTERS} prompts; “few differ”: the difference is the "
    "same on all but a few prompts, so no interval of it can be trusted. Spread: standard "
    "deviation of a difference over prompts; prompts tell a difference that gets a * with 80 % "
    "power. ↑ higher is better, ↓ lower is."
)


def build_ablation(sweep: Sweep, folder: Path) -> Path:
    """Render tables, plots and the page of an experiment; files of an earlier one are overwritten.

    Returns:
        The page.

    Raises:
        LongtakeError: the sweep is not an experiment, or there is nothing to compare yet.
    """
    ablation = compare_rows(sweep)
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(_table(ablation), folder / "ablation.csv")
    (folder / "ablation.md").write_text(markdown(ablation), encoding="utf-8")
    plots = {
        table: _draw(ablation, *table, sweep.backbones, folder).name for table in _tables(ablation)
    }
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=select_autoescape(["j2"], default=True)
    )
    page = environment.get_template("ablation.html.j2").render(
        ablation=ablation,
        tables={
            table: {
                backbone: cells(ablation, *table, backbone) for backbone in _groups(sweep.backbones)
            }
            for table in _tables(ablation)
        },
        plots=plots,
        detectable={
            table: _detectable_effect(ablation.of(*table, ALL)) for table in _tables(ablation)
        },
        legend=LEGEND,
        seconds=seconds,
        revision=sweep.header.revision or UNKNOWN_REVISION,
        warnings=sweep.warnings,
    )
    target = folder / "index.html"
    fresh = folder / f".index-{os.getpid()}.html"
    fresh.write_text(page, encoding="utf-8")
    fresh.replace(target)
    return target


def _groups(backbones: list[str]) -> list[str]:
    """Return what tables and plots are made of: all backbones, and each if there are several."""
    return [ALL, *backbones] if len(backbones) > 1 else backbones


def _tables(ablation: Ablation) -> list[tuple[str, float]]:
    """Return axis and duration of every table that is shown for each backbone."""
    return [(axis, duration_s) for axis in ablation.axes for duration_s in ablation.durations_s]


def cells(ablation: Ablation, axis: str, duration_s: float, backbone: str) -> list[list[str]]:
    """Return a table as text: header, then one line per metric; a column per row of the axis."""
    rows = ablation.axes[axis]
    found = {(c.metric.name, c.row): c for c in ablation.of(axis, duration_s, backbone)}
    lines = [["", *rows]]
    for metric in ablation.metrics:
        of_metric = [found[metric.name, row] for row in rows]
        if all(comparison.mean is None for comparison in of_metric):
            continue
        differences = [one.difference for one in of_metric if one.difference]
        decimals = column_decimals(
            [comparison.mean for comparison in of_metric],
            [error_of(one.interval, one.stderr) for one in differences],
        )
        title = f"{metric.title} {metric.arrow}".rstrip()
        lines.append([title, *(_cell(comparison, decimals) for comparison in of_metric)])
    return lines


def _cell(comparison: RowComparison, decimals: int) -> str:
    if comparison.mean is None:
        return DASH
    shown = number(comparison.mean, decimals)
    if comparison.difference is None:
        return shown
    difference = comparison.difference
    shown += f" ({signed(difference.mean, decimals)}"
    if difference.interval:
        low, high = difference.interval
        shown += f", {signed(low, decimals)} to {signed(high, decimals)}"
    elif difference.no_interval is NoInterval.few_differ:
        shown += ", few differ"
    return f"{shown}){_MARKS[comparison.marks]}"


def markdown(ablation: Ablation) -> str:
    """Return the tables of all axes, over all backbones together, as Markdown."""
    parts = [LEGEND]
    for axis, duration_s in _tables(ablation):
        header, *lines = cells(ablation, axis, duration_s, ALL)
        videos = [c for c in ablation.of(axis, duration_s, ALL) if c.num_videos]
        if not videos:
            parts.append(f"**{axis}** ({seconds(duration_s)}): no values yet.")
            continue
        fewest = min(c.num_videos for c in videos)
        prompts = min(c.num_prompts for c in videos)
        table = [f"| {' | '.join(header)} |", f"| {' | '.join('---' for _ in header)} |"]
        table += [f"| {' | '.join(line)} |" for line in lines]
        size = f"{seconds(duration_s)}, at least {fewest} videos of {prompts} prompts"
        if effect := _detectable_effect(videos):
            size += f", which can detect differences of {effect:.1f} spreads"
        caption = f"**{axis}** ({size})"
        parts.append("\n".join([caption, "", *table]))
    return "\n\n".join(parts) + "\n"


def _detectable_effect(comparisons: Sequence[RowComparison]) -> float | None:
    """Return the size, in spreads, from which on the prompts of a table tell every difference."""
    effects = [c.reach.effect for c in comparisons if c.reach]
    known = [effect for effect in effects if effect is not None]
    return max(known) if known and len(known) == len(effects) else None


def _table(ablation: Ablation) -> pd.DataFrame:
    return pd.DataFrame([_line(comparison) for comparison in ablation.comparisons])


def _line(c: RowComparison) -> dict[str, object]:
    difference = c.difference
    low, high = bounds(difference.interval if difference else None)
    return {
        "axis": c.axis,
        "duration_s": c.duration_s,
        "backbone": c.backbone,
        "row": c.row,
        "reference": c.reference,
        "metric": c.metric.name,
        "mean": c.mean,
        "difference": difference.mean if difference else None,
        "low": low,
        "high": high,
        "no_interval": difference.no_interval if difference else None,
        "p": c.p.single if c.p else None,
        "p_table": c.p.table if c.p else None,
        "marks": c.marks,
        "smallest_detectable": c.reach.smallest if c.reach else None,
        "prompts_needed": c.reach.prompts_needed if c.reach else None,
        "better": c.better,
        "num_videos": c.num_videos,
        "num_prompts": c.num_prompts,
        "reason": c.reason,
    }


def _draw(
    ablation: Ablation, axis: str, duration_s: float, backbones: list[str], folder: Path
) -> Path:
    """Plot the differences to the reference: a panel per metric, a colour per backbone."""
    rows = ablation.axes[axis][1:]
    over_all = ablation.of(axis, duration_s, ALL)
    drawn = [
        metric
        for metric in ablation.metrics
        if any(c.difference is not None for c in over_all if c.metric == metric)
    ]
    num_columns = max(1, min(len(drawn), _PANELS_PER_LINE))
    num_lines = max(1, -(-len(drawn) // num_columns))
    height = 0.9 + 0.28 * len(rows) + 0.3
    figure = Figure(figsize=(3.3 * num_columns + 0.8, height * num_lines), layout="constrained")
    grid = figure.subplots(num_lines, num_columns, squeeze=False, sharey=True)
    groups = _groups(backbones)
    for axes, metric in zip(grid.flat, drawn, strict=False):
        axes.set_title(f"{metric.title} {metric.arrow}".rstrip(), fontsize=8)
        axes.axvline(0, color="0.6", linewidth=0.8)
        for group, backbone in enumerate(groups):
            for c in ablation.of(axis, duration_s, backbone):
                if c.metric != metric or c.difference is None:
                    continue
                place = rows.index(c.row) + (group - (len(groups) - 1) / 2) * 0.22
                colour = PALETTE[group % len(PALETTE)]
                if c.difference.interval:
                    ends = c.difference.interval
                    axes.plot(ends, (place, place), color=colour, linewidth=1.6)
                axes.plot(c.difference.mean, place, "o", color=colour, markersize=4)
        axes.set_yticks(range(len(rows)), [row.replace("$", r"\$") for row in rows], fontsize=8)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="x", labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.xaxis.get_offset_text().set_fontsize(7)
    for axes in list(grid.flat)[len(drawn) :]:
        axes.remove()
    handles = [
        Line2D([], [], color=PALETTE[i % len(PALETTE)], marker="o", label=name)
        for i, name in enumerate(groups)
    ]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=len(groups),
        frameon=False,
        fontsize=8,
        title=f"{axis}, {seconds(duration_s)}: difference to {ablation.axes[axis][0]}",
        title_fontsize=10,
    )
    stem = re.sub(r"\W+", "_", axis.lower()).strip("_")
    if len(ablation.durations_s) > 1:
        stem += f"_{length_stem(duration_s)}"
    figure.savefig(folder / f"{stem}.png", dpi=130)
    target = folder / f"{stem}.svg"
    figure.savefig(target, metadata={"Date": None})
    return target
