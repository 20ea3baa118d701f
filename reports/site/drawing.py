"""A second process that draws the figures of a large report, beside its tables and pages.

What it did not draw, for whatever reason, is left to the report, which then meets the same error.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from harness.core.machine import num_cores
from reports.site.plots import Shown, write_plots
from reports.tables.table import Comparison

MIN_UNITS = 2_000
"""Units of a report from which on its figures take longer than the start of a process."""
_COMMAND = "import harness; from reports.site.drawing import draw_what_is_read as d; d()"


class SecondProcess:
    """The process, or none: then nothing is drawn here."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process

    def start(self, shown: Shown, folder: Path, earlier: Mapping[str, str]) -> None:
        """Let it draw; the arguments are those of `reports.site.plots.write_plots`."""
        if self._process is None or self._process.stdin is None:
            return
        light = replace(shown, comparisons=[_without_cells(t) for t in shown.comparisons])
        with suppress(BrokenPipeError):  # it ended already
            pickle.dump((light, folder, dict(earlier)), self._process.stdin)
        with suppress(BrokenPipeError):  # what is left is written now
            self._process.stdin.close()

    def drawn(self) -> dict[str, str]:
        """Wait for it, and return by stem the digest of each figure that is there now."""
        if self._process is None or self._process.stdout is None:
            return {}
        text = self._process.stdout.read()
        found: dict[str, str] = json.loads(text) if self._process.wait() == 0 else {}
        return found


@contextmanager
def second_process(num_units: int) -> Iterator[SecondProcess]:
    """Start the process if there is a core for it and enough to draw; end it at the end."""
    if num_cores() < 2 or num_units < MIN_UNITS:
        yield SecondProcess(None)
        return
    with subprocess.Popen(
        [sys.executable, "-c", _COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C goes to the report, which ends it
    ) as process:
        try:
            yield SecondProcess(process)
        finally:
            process.kill()


def draw_what_is_read() -> None:
    """Draw the figures that standard input describes, and print their digests."""
    import_module("reports.site.charts")  # while the tables are made
    shown, folder, earlier = pickle.load(sys.stdin.buffer)
    plots = write_plots(shown, folder, earlier)
    print(json.dumps({plot.files[0].stem: plot.digest for plot in plots}))


def _without_cells(table: Comparison) -> Comparison:
    """Return a table without what no figure shows: the numbers of single metrics and prompts."""
    return replace(
        table,
        groups=tuple(
            replace(group, rows=tuple(replace(row, cells={}) for row in group.rows), left_out=())
            for group in table.groups
        ),
    )
