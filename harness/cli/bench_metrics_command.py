"""`python -m harness bench-metrics`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.cli.arguments import numbers, parse_pairs
from harness.core.devices import pick_device
from harness.core.errors import LongtakeError
from harness.core.files import write_json
from harness.core.machine import num_cores
from harness.studies.bench.metrics import MetricsBench, bench_metrics


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, ("video", "duration", "threads", "device"))
    if "video" not in pairs:
        raise LongtakeError("Which video? video=FILE duration=4,8.")
    durations_s = numbers(pairs.get("duration", "4"), "duration")
    (threads,) = (int(n) for n in numbers(pairs.get("threads", str(num_cores())), "threads"))
    if min(*durations_s, threads) <= 0:
        raise LongtakeError("duration= and threads= must be positive.")
    device = str(pick_device(pairs.get("device", "auto")))
    console = Console()
    with console.status("bench-metrics") as status:
        result = bench_metrics(Path(pairs["video"]), durations_s, threads, device, status.update)
    longest = f"{max(durations_s):g} s"
    console.print(_dimensions(result, f"{longest}, CPU seconds with loading, {threads} threads"))
    console.print(_totals(result))
    machine = result.machine
    console.print(
        f"{machine.gpu or machine.host_cpu}, torch {machine.torch}; each total is one "
        "process, imports included",
        highlight=False,
        soft_wrap=True,
    )
    if arguments.json:
        write_json(Path(arguments.json), result.to_json())
    return 0


def _dimensions(result: MetricsBench, title: str) -> Table:
    table = Table("dimension", "official s", "ours s", "ratio", "official", "difference")
    table.title = title
    for row in result.dimensions:
        table.add_row(
            row.dimension,
            f"{row.official_s:.1f}",
            f"{row.ours_s:.1f}",
            f"{row.official_s / row.ours_s:.2f}",
            f"{row.official:.6f}",
            f"{row.ours - row.official:+.1e}",
        )
    return table


def _totals(result: MetricsBench) -> Table:
    table = Table("durations", "clips", "official s", "ours s", "ratio", "official MiB", "ours MiB")
    for row in result.totals:
        table.add_row(
            row.label,
            "/".join(map(str, dict.fromkeys(row.num_clips))),
            f"{row.official_s:.1f}",
            f"{row.ours_s:.1f}",
            f"{row.official_s / row.ours_s:.2f}",
            f"{row.official_mib:.0f}",
            f"{row.ours_mib:.0f}",
        )
    return table
