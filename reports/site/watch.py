"""Rebuilds a report while its sweeps run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.core.errors import LongtakeError
from reports.site.build import ReportOptions, ReportPaths, build_report
from reports.site.inputs import fingerprint, unit_stamps

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
    """Rebuild whenever files of the sweeps change, until all are finished or `stop` returns true.

    Tables and plots are made only by the last build, because they take longest. The page reloads
    itself until then; the page of the last build no longer does.

    Args:
        folders: the sweeps.
        out: folder of the report.
        options: options of the report.
        show: called with each build.
        complain: called once with each reason of a failed build; the next change is tried again.
        stop: see `Stop`.
        every_s: seconds between two checks; at least as long as the last build took.

    Returns:
        The last build; None if there was none.
    """
    seen, paths, complaint = "", None, ""
    live = replace(options, live=True, papers=False)
    while True:
        state = _fingerprint(folders)
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
        if paths is not None and not complaint and paths.settled and _fingerprint(folders) == seen:
            break
        if stop(max(every_s, took_s)):
            break
    if paths is None:
        return None
    paths = build_report(folders, out, replace(options, live=False, papers=paths.settled))
    show(paths)
    return paths


def _fingerprint(folders: Sequence[Path]) -> str:
    return fingerprint(folders, unit_stamps(folders))
