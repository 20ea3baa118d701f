"""`python -m harness dev selftest-statistics`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import TableFile


def selftest_statistics(
    tables: Annotated[
        int, typer.Option(min=20, metavar="N", help="Simulated tables per figure.")
    ] = 1_000,
    seed: Annotated[int, typer.Option(help="Of all simulations.")] = 0,
    out: TableFile = None,
) -> int:
    """Simulate tables with a known truth: errors of marks, coverage of intervals, power.

    The exit code is 1 if a figure is out of its bounds. 1,000 tables take about a minute
    of one core.

    ```
    python -m harness dev selftest-statistics tables=1000 out=table.md
    ```
    """
    from rich.progress import Progress

    from harness.cli.terminal import Terminal
    from harness.core.files import write_text
    from harness.studies.statistics_selftest import markdown, run_selftest

    terminal = Terminal()
    with Progress(console=terminal.console, disable=not terminal.console.is_terminal) as bar:
        task = bar.add_task("self-test")
        checks = run_selftest(
            tables, seed, lambda done, total: bar.update(task, completed=done, total=total)
        )
    text = markdown(checks)
    terminal.say(text)
    if out:
        write_text(out, text + "\n")
    wrong = sum(not check.holds for check in checks)
    terminal.say(f"{len(checks) - wrong} of {len(checks)} figures are within their bounds.")
    return 1 if wrong else 0
