"""`python -m harness bench`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.config.sweep import load_sweep
from harness.core.files import write_json
from harness.store.units import plan_units
from harness.studies.bench.rollout import BenchResult, BenchRow, bench

_PLAIN_WIDTH = 180  # of the table in a file or pipe


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    config = load_sweep([_as_override(argument) for argument in arguments.overrides])
    # One video per row: rows differ in method and backbone, not in prompt.
    units = list({(u.backbone, u.method): u for u in reversed(plan_units(config))}.values())[::-1]
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    profile = Path(arguments.profile) if arguments.profile else None
    with console.status("bench") as status:
        result = bench(units, config.settings, status.update, profile)
    for number, row in enumerate(result.rows, start=1):
        label = f"row {number}: {row.backbone} | {row.method}"
        console.print(label, highlight=False, markup=False, soft_wrap=True)
    console.print(_block_table(result))
    console.print(_video_table(result))
    _print_machine(result, console)
    if arguments.json:
        write_json(Path(arguments.json), result.to_json())
    if profile:
        console.print(f"profile: {profile} (open it in ui.perfetto.dev)", soft_wrap=True)
    return 0


def _as_override(argument: str) -> str:
    """`weights=random` is what people write."""
    return f"backbone.{argument}" if argument.startswith("weights=") else argument


def _block_table(result: BenchResult) -> Table:
    columns = (
        *("first", "steady", "frames/s", "pass", "clean", "gather", "append"),
        *("encode", "search", "fetch", "hidden", "decode", "floor", "/floor", "/row 1"),
    )
    table = _table("one block, milliseconds", columns)
    for number, row in enumerate(result.rows, start=1):
        block, hidden = row.block, row.block.fetch_hidden
        table.add_row(
            str(number),
            *(f"{1000 * seconds:.1f}" for seconds in (block.first, block.steady)),
            f"{block.frames_per_s:.1f}",
            *(
                f"{1000 * seconds:.1f}"
                for seconds in (
                    block.denoising_pass,
                    block.clean_pass,
                    block.gather,
                    block.append,
                    block.encode,
                    block.search,
                    block.fetch,
                )
            ),
            "" if hidden is None else f"{hidden:.0%}",
            f"{1000 * block.decode:.1f}",
            f"{1000 * block.floor:.1f}",
            f"{block.steady / block.floor:.2f}",
            f"{block.steady / result.rows[0].block.steady:.2f}",
        )
    return table


def _video_table(result: BenchResult) -> Table:
    columns = ("video", "rollout", "decode", "write", "score", "total")
    memory = ("device MiB", "host MiB", "K/V device", "host", "file")
    table = _table("one video, seconds and MiB", columns + memory)
    for number, row in enumerate(result.rows, start=1):
        table.add_row(str(number), *_video_cells(row))
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title)
    for name in ("row", *columns):
        table.add_column(name, no_wrap=True, justify="right")
    return table


def _video_cells(row: BenchRow) -> list[str]:
    video = row.video
    seconds = (video.rollout_s, video.decode_s, video.encode_s, video.score_s, video.total_s)
    device = video.peak_device_mib
    return [
        f"{row.duration_s:g} s",
        *(f"{value:.2f}" for value in seconds),
        "" if device is None else f"{device:.0f}",
        f"{video.peak_host_mib:.0f}",
        *(f"{video.kv_mib[tier]:.0f}" for tier in ("device", "host", "spilled")),
    ]


def _print_machine(result: BenchResult, console: Console) -> None:
    machine, row = result.machine, result.rows[-1]
    rates, kernels = row.rates, row.kernels
    device = machine.gpu or machine.host_cpu
    upload = rates.upload_bytes_per_s
    lines = (
        f"{device}, {machine.threads} threads, torch {machine.torch}; attention "
        f"{kernels['attention']}, {'compiled' if kernels['compiled'] else 'not compiled'}",
        f"measured: products {rates.matmul_flops_per_s / 1e12:.2f} Tflop/s, copies "
        f"{rates.copy_bytes_per_s / 1e9:.1f} GB/s"
        + (f", from pinned memory {upload / 1e9:.1f} GB/s" if upload else ""),
        "one block is the median of the second half of the video; decode, encode, search and fetch "
        "run beside the passes on a GPU",
    )
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
