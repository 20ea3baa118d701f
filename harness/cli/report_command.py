"""`python -m harness report`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from harness.cli.arguments import parse_lists, sweep_folder
from harness.core.errors import LongtakeError, unknown_name
from harness.run.worker import StopRequested, stopping_on_signals
from reports.site.assets import Assets
from reports.site.build import ReportOptions, ReportPaths, build_report
from reports.site.watch import watch

POLL_S = 0.2
KEYS = ("sweep", "out", "assets", "baseline", "quoted")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    lists = parse_lists(arguments.overrides, KEYS)
    folders, out, options = report_settings(lists)
    console = Console()
    if arguments.watch:
        with stopping_on_signals() as stop_requested:
            finished = watch_with_bar(folders, out, options, console, stop_requested)
        if finished is None:
            return 1
    else:
        finished = build_with_bar(folders, out, options, console)
    print(*finished.ablations, finished.index, sep="\n")
    return 0


def report_settings(
    lists: Mapping[str, Sequence[str]],
) -> tuple[list[Path], Path | None, ReportOptions]:
    """The sweeps, the folder and the options that arguments name.

    Raises:
        LongtakeError: no sweep, an unknown one, or a key that takes one value given twice.
    """
    for key in ("out", "assets", "baseline"):
        if len(lists.get(key, ())) > 1:
            raise LongtakeError(f"{key}= is given twice.")
    folders = [sweep_folder({"sweep": text}) for text in lists.get("sweep", ())]
    if not folders:
        sweep_folder({})  # says what is missing
    assets = lists.get("assets", ["link"])[0]
    if assets not in list(Assets):
        raise unknown_name("assets", assets, [mode.value for mode in Assets])
    options = ReportOptions(
        assets=Assets(assets),
        baseline=lists.get("baseline", [None])[0],
        quoted=tuple(Path(text) for text in lists.get("quoted", ())),
    )
    out = Path(lists["out"][0]) if "out" in lists else None
    return folders, out, options


def build_with_bar(
    folders: Sequence[Path], out: Path | None, options: ReportOptions, console: Console
) -> ReportPaths:
    """Build a report; a bar shows how far reading the videos is."""
    with _bar(console) as bar:
        task = bar.add_task("report", total=None, text="videos")
        return build_report(
            folders, out, options, lambda done, total: bar.update(task, completed=done, total=total)
        )


def watch_with_bar(
    folders: Sequence[Path],
    out: Path | None,
    options: ReportOptions,
    console: Console,
    stop_requested: StopRequested,
) -> ReportPaths | None:
    """Build again and again until all is finished or a stop is asked for."""
    with _bar(console) as bar:
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
                console.print(f"{text}: {paths.index}", markup=False, soft_wrap=True)
                shown.clear()
                shown.update(counts)

        def stop(seconds: float) -> bool:
            until = time.monotonic() + seconds
            while not stop_requested() and time.monotonic() < until:
                time.sleep(POLL_S)
            return stop_requested()

        def complain(text: str) -> None:
            console.print(f"not built: {text}", markup=False, soft_wrap=True)

        return watch(folders, out, options, show, complain, stop)


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
