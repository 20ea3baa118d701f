"""`python -m harness replay`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from harness.core.errors import LongtakeError
from harness.core.machine import num_cores, prepare_process
from harness.studies.replay import ReplayResult, replay


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    rtol = _tolerance(arguments.rtol)
    prepare_process(num_cores())
    result = _with_progress(Path(arguments.case))
    passed = result.passes(rtol)
    print(f"relative error   {result.relative_error:.3g} (at most {rtol:g})")
    print(f"retrieved frames {result.num_agreeing} of {result.num_blocks} blocks agree")
    if result.first_disagreement is not None:
        print(f"first difference in the block at latent frame {result.first_disagreement}")
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


def _with_progress(case: Path) -> ReplayResult:

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("replay", total=None)
        return replay(case, lambda done, total: bar.update(task, completed=done, total=total))


def _tolerance(text: str | None) -> float:
    try:
        return float(text) if text else 1e-3
    except ValueError as error:
        raise LongtakeError(f"--rtol {text!r} is not a number.") from error
