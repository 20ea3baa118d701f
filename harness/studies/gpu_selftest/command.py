"""The self-test as a command, with or without the packages of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness.core.errors import LongtakeError
from harness.core.files import write_json
from harness.studies.gpu_selftest import report
from harness.studies.gpu_selftest.checks import CHECKS
from harness.studies.gpu_selftest.claims import CheckResult
from harness.studies.gpu_selftest.runner import Run, chosen, run_checks


def selftest(quick: bool, only: Sequence[str], device: str, json_file: Path | None) -> int:
    """Run checks, print a line as each ends, and return the exit code.

    Args:
        quick: only the checks that take three minutes together.
        only: names of checks; all if empty.
        device: auto, cpu, cuda or cuda:N.
        json_file: where to write all figures; the profile is written beside it.

    Raises:
        LongtakeError: a check or a device that does not exist.
        OSError: the JSON cannot be written.
    """
    console = Console(highlight=False, soft_wrap=True, markup=False)
    trace = json_file.with_suffix(".trace.json.gz") if json_file else None
    run = Run(device, chosen(CHECKS, quick, only), trace=trace)
    options = {"device": device, "quick": quick, "only": list(only)}
    results: list[CheckResult] = []

    def write(refused: str | None = None) -> None:
        if json_file:
            write_json(json_file, report.document(results, options, refused))

    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
    write()  # a place that cannot be written is found before the checks
    try:
        for result in run_checks(run):
            results.append(result)
            console.print(report.line(result))
            write()  # after every check, so that a lost machine has left something
    except LongtakeError as error:
        write(str(error))
        raise
    console.print(report.summary(results))
    if json_file:
        console.print(f"figures: {json_file}")
    return report.exit_code(results)
