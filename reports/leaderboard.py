"""Renders the page: one index.html with its style and script inside, that asks for no network.

Prompts, labels and error texts are data of strangers: the templates escape all of them, and the
embedded JSON has no "<" left in it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.export import decimals_of
from reports.formatting import DASH, column_decimals, seconds, text
from reports.load import Sweep, as_dicts
from reports.plots import Plot
from reports.scores import MetricInfo
from reports.tables import Cell, Comparison, timing_table
from reports.viewer import viewer_data

SUITE_NOTES = {
    "offline": "Proxy metrics. The suite “offline” follows the dimensions of VBench with small "
    "networks that need no download. Its numbers compare rows of this page with each other; they "
    "are not VBench scores and must not be set beside published ones."
}


@dataclass(frozen=True)
class Suite:
    """All tables of one suite; `metrics` are the columns of the page's one table."""

    name: str
    version: str
    note: str | None
    metrics: tuple[MetricInfo, ...]
    comparisons: tuple[Comparison, ...]
    plots: tuple[Plot, ...]


def render(
    sweep: Sweep,
    comparisons: Sequence[Comparison],
    tables: Sequence[Path],
    plots: Sequence[Plot],
    out: Path,
) -> str:
    """The page as one string.

    Args:
        sweep: the loaded sweep.
        comparisons: its tables.
        tables: table files to link to.
        plots: figures to show.
        out: the folder the page will lie in; links are relative to it.
    """
    link = partial(_relative_link, out=out)
    viewer, trace_warnings = viewer_data(sweep, link)
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(
        include_raw=partial(_include_raw, environment),
        link=link,
        shlex_join=shlex.join,
        cell_tip=cell_tip,
        metric_tip=metric_tip,
        decimals_of=decimals_of,
        text=text,
        seconds=seconds,
        DASH=DASH,
    )
    return environment.get_template("index.html.j2").render(
        sweep=sweep,
        header=sweep.header,
        devices=sorted(set(sweep.units["device"].dropna())),
        counts=sweep.units["status"].value_counts().to_dict(),
        suites=list(_suites(sweep, comparisons, plots)),
        durations=sorted({comparison.duration_s for comparison in comparisons}),
        tables=tables,
        failures=_failures(sweep, link),
        warnings=[*sweep.warnings, *trace_warnings],
        timings=_timings(sweep),
        viewer=viewer,
    )


def cell_tip(cell: Cell) -> str:
    """The tooltip of a metric cell: its numbers, what they are over, why values are missing."""
    if cell.mean is None:
        return f"No value: {cell.reason}"
    parts = [f"{cell.mean:.6g}"]
    if cell.stderr is not None:
        parts[0] += f" ± {cell.stderr:.2g} (standard error, clustered by prompt)"
    if cell.rank is not None:
        parts.append(f"rank {cell.rank:g} in its backbone")
    parts.append(f"{cell.num_videos} videos of {cell.num_prompts} prompts")
    if cell.reason is not None:
        parts.append(f"some videos have no value: {cell.reason}")
    return "; ".join(parts) + "."


def metric_tip(info: MetricInfo) -> str:
    """The tooltip of a metric's column head."""
    unit = f" Unit: {info.unit}." if info.unit else ""
    return f"{info.title}: {info.direction} is better.{unit} {info.description}"


def _suites(
    sweep: Sweep, comparisons: Sequence[Comparison], plots: Sequence[Plot]
) -> Iterator[Suite]:
    for name, metrics in sweep.metrics.items():
        yield Suite(
            name=name,
            version=", ".join(sweep.versions[name]),
            note=SUITE_NOTES.get(name),
            metrics=tuple(metrics.values()),
            comparisons=tuple(table for table in comparisons if table.suite == name),
            plots=tuple(plot for plot in plots if plot.suite == name),
        )


def _failures(sweep: Sweep, link: Callable[[Path], str]) -> list[dict[str, Any]]:
    """Units without a usable record, with a link to the file that says why, if there is one."""
    failures = []
    for unit in as_dicts(sweep.units[sweep.units["status"] != "done"]):
        folder = sweep.folder / "units" / unit["unit_id"]
        files = [
            path for name in ("failure.json", "record.json") if (path := folder / name).is_file()
        ]
        failures.append(unit | {"file": link(files[0]) if files else None})
    return failures


def _timings(sweep: Sweep) -> dict[str, Any]:
    """The timing table as text: heads and lines of cells."""
    table = timing_table(sweep)
    stages = [str(name) for name in table.columns[4:]]
    decimals = {stage: column_decimals(table[stage].dropna(), significant=3) for stage in stages}
    lines = [
        [
            *(line[name] for name in ("method", "backbone", "num_videos", "device")),
            *(text(None if line[s] != line[s] else line[s], decimals[s]) for s in stages),
        ]
        for line in as_dicts(table)
    ]
    return {"stages": [_stage_title(stage) for stage in stages], "lines": lines}


def _stage_title(stage: str) -> str:
    words = stage.replace("_", " ").replace("vae", "VAE")
    return words[0].upper() + words[1:]


def _include_raw(environment: Environment, name: str) -> Markup:
    """A style sheet or script of ours, as it is. Nothing of the sweep is in these files."""
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])


def _relative_link(path: Path, out: Path) -> str:
    return quote(Path(os.path.relpath(path, out)).as_posix())
