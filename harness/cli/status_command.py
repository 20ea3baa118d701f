"""`python -m harness status`."""

from __future__ import annotations

import argparse
import time

from rich.console import Console
from rich.live import Live

from harness.cli.arguments import numbers, parse_pairs, sweep_folder
from slurm.status.state import read_state
from slurm.status.table import num_wrong, render
from slurm.status.verdicts import Verdict

_EVERY_S = 10.0


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, ("sweep", "every"))
    store = sweep_folder(pairs).absolute()
    every_s = max(1.0, numbers(pairs["every"], "every")[0]) if "every" in pairs else _EVERY_S
    console = Console()
    state = read_state(store)
    if arguments.watch:
        with Live(render(state), console=console) as live:
            while state.with_verdict(Verdict.pending, Verdict.running, Verdict.unknown):
                time.sleep(every_s)
                state = read_state(store)
                live.update(render(state))
    else:
        console.print(render(state), soft_wrap=True)
    report = store / "report/index.html"
    if report.is_file():
        console.print(f"leaderboard: {report}", markup=False, highlight=False, soft_wrap=True)
    if wrong := num_wrong(state):
        console.print(
            f"{wrong} failed or lost; to submit them again: python -m harness resume sweep={store}",
            style="red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return 1 if wrong or state.unreachable else 0
