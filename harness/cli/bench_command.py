"""`python -m harness bench`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.bench import BenchResult, bench
from harness.config import load_sweep
from harness.files import write_json
from harness.units import plan_units

_PLAIN_WIDTH = 150  # of the table in a file or pipe


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    config = load_sweep(arguments.overrides)
    # One video per row: rows differ in method and backbone, not in prompt.
    units = list({(u.backbone, u.method): u for u in reversed(plan_units(config))}.values())[::-1]
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    with console.status("bench") as status:
        result = bench(units, config.settings, status.update)
    console.print(_table(result))
    machine = result.machine
    device = machine["gpu"] or machine["host_cpu"]
    console.print(
        f"{device}, {machine['threads']} threads, torch {machine['torch']}", highlight=False
    )
    if arguments.json:
        write_json(Path(arguments.json), result.to_json())
    return 0


def _table(result: BenchResult) -> Table:
    seconds = ("rollout", "gather", "decode", "encode", "score", "total", "steady block")
    table = Table("backbone", "method", "video", *(f"{part} s" for part in seconds), "x", "MiB")
    first = result.rows[0]
    for row in result.rows:
        values = (
            row.rollout_s,
            row.gather_s,
            row.decode_s,
            row.encode_s,
            row.score_s,
            row.total_s,
            row.steady_block_s,
        )
        table.add_row(
            row.backbone,
            row.method,
            f"{row.duration_s:g} s",
            *(f"{value:.2f}" for value in values),
            f"{row.rollout_s / first.rollout_s:.2f}",
            f"{row.peak_host_mib:.0f}",
        )
    return table
