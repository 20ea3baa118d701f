"""`python -m harness cancel`."""

from __future__ import annotations

import argparse

from harness.cli.arguments import parse_pairs, sweep_folder
from harness.core.errors import LongtakeError
from slurm import commands
from slurm.status.state import read_state


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    store = sweep_folder(parse_pairs(arguments.overrides, ("sweep",))).absolute()
    state = read_state(store)
    if state.unreachable:
        raise LongtakeError(f"Nothing was cancelled: {state.unreachable}")
    jobs = state.queued_jobs
    if not jobs:
        print("Nothing waits or runs.")
        return 0
    commands.run(["scancel", *jobs])
    print(f"cancelled: {', '.join(jobs)}; what is finished stays, resume goes on from it")
    return 0
