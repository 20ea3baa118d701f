"""Building of a report with a progress bar in the terminal, once or repeatedly."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from harness.cli.progress import BAR_WIDTH, name_column, unbroken
from harness.cli.terminal import Terminal
from harness.core.durations import plain_duration
from harness.core.events import StopRequested
from reports.site.build import ReportOptions, ReportPaths, build_report
from reports.site.watch import watch

POLL_S = 0.2


def build_with_bar(
    folders: Sequence[Path], out: Path | None, options: ReportOptions, terminal: Terminal
) -> ReportPaths:
    """Build a report; the bar counts videos, pages and figures, one after the other."""
    with _bar(terminal.console) as bar:
        task = bar.add_task("report", total=None, text="")
        return build_report(
            folders,
            out,
            options,
            lambda step, done, total: bar.update(
                task, completed=done, total=total or None, text=step
            ),
        )


def watch_with_bar(
    folders: Sequence[Path],
    out: Path | None,
    options: ReportOptions,
    terminal: Terminal,
    stop_requested: StopRequested,
) -> ReportPaths | None:
    """Rebuild until all units are finished; return None if a stop was requested before."""
    with _bar(terminal.console) as bar:
        task = bar.add_task("watch", total=None, text="")
        shown: dict[str, int] = {}

        def show(paths: ReportPaths) -> None:
            counts = dict(paths.counts)
            text = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            bar.update(
                task,
                completed=counts["done"] + counts["failed"],
                total=sum(counts.values()),
                text=text,
            )
            if counts != shown:
                terminal.say(f"{text}: {paths.index}")
                shown.clear()
                shown.update(counts)

        def stop(seconds: float) -> bool:
            until = time.monotonic() + seconds
            while not stop_requested() and time.monotonic() < until:
                time.sleep(POLL_S)
            return stop_requested()

        def complain(text: str) -> None:
            terminal.say(f"not built: {text}")

        return watch(folders, out, options, show, complain, stop)


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(BAR_WIDTH),
        MofNCompleteColumn(table_column=unbroken()),
        TextColumn("ETA", table_column=unbroken()),
        TimeRemainingColumn(table_column=unbroken()),
        name_column("{task.fields[text]}"),
        console=console,
        expand=True,
        disable=not console.is_terminal,
        transient=True,
    )


def report_json(paths: ReportPaths) -> dict[str, Any]:
    """Return a report as plain values: its sentence, tables in full precision, and files."""
    return {
        "headline": paths.headline,
        "counts": paths.counts,
        "settled": paths.settled,
        "tables": [
            {
                "suite": table.suite,
                "duration_s": plain_duration(table.duration_s),
                "kind": str(table.kind),
                # pandas writes a missing number as null.
                "rows": json.loads(table.frame().to_json(orient="records", double_precision=15)),
            }
            for table in paths.comparisons
        ],
        "files": [
            str(path) for path in (paths.index, *paths.ablations, *paths.tables, *paths.plots)
        ],
    }
