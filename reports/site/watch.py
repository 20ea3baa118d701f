"""Building a report again and again while its sweeps run."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.core.errors import LongtakeError
from harness.store.paths import StorePaths
from reports.site.build import ReportOptions, ReportPaths, build_report

Show = Callable[[ReportPaths], None]
Stop = Callable[[float], bool]
"""Waits so many seconds and says whether to stop."""


def watch(
    folders: Sequence[Path],
    out: Path | None,
    options: ReportOptions,
    show: Show,
    complain: Callable[[str], None],
    stop: Stop,
    every_s: float = 3.0,
) -> ReportPaths | None:
    """Build whenever files of the sweeps changed, until all is finished or `stop` says so.

    Tables and plots are made once, by the last build, because they take longest. The page reloads
    itself meanwhile; the last build is of a page that does not.

    Args:
        folders: the sweeps.
        out: where to write.
        options: how to make the report.
        show: called with each build.
        complain: called once with each reason why a build failed; the next change is tried.
        stop: see `Stop`.
        every_s: how long to wait between looks, at least as long as the last build took.

    Returns:
        The last build; None if there was none.
    """
    seen, paths, complaint = "", None, ""
    live = replace(options, live=True, papers=False)
    while True:
        state = fingerprint(folders)
        took_s = 0.0
        if state != seen:
            seen, started = state, time.monotonic()
            try:
                paths = build_report(folders, out, live)
                show(paths)
                complaint = ""
            except LongtakeError as error:
                if str(error) != complaint:
                    complaint = str(error)
                    complain(complaint)
            took_s = time.monotonic() - started
        if paths is not None and not complaint and paths.settled and fingerprint(folders) == seen:
            break
        if stop(max(every_s, took_s)):
            break
    if paths is None:
        return None
    paths = build_report(folders, out, replace(options, live=False, papers=paths.settled))
    show(paths)
    return paths


def fingerprint(folders: Sequence[Path]) -> str:
    """A hash that changes when a file that the report reads appears, changes or goes."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in _files(Path(folder)):
            try:
                stat = path.stat()
            except OSError:
                continue
            digest.update(f"{path}\\0{stat.st_mtime_ns}\\0{stat.st_size}\\n".encode())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    paths = StorePaths(folder)
    yield from (paths.header_path, paths.unit_lines_path)
    for unit in _entries(paths.units_dir):
        name = unit.name
        yield from (paths.record_path(name), paths.failure_path(name), paths.partial_dir(name))
    yield from _entries(paths.metrics_dir)  # changes with every file that is added or replaced


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return []
