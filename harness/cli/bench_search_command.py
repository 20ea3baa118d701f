"""`python -m harness bench-search`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.cli.arguments import numbers, parse_pairs
from harness.core.devices import pick_device
from harness.core.errors import LongtakeError
from harness.core.files import write_json
from harness.core.machine import num_cores, prepare_process
from harness.studies.bench.search import PAPER_ENCODE_MS, PAPER_SEARCH_MS, bench_search
from methods.encoders.network import AutoencoderConfig


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, ("frames", "dim", "k", "latent", "device", "threads"))
    sizes = [int(size) for size in numbers(pairs.get("frames", "120,480,10000,100000"), "frames")]
    (dim,) = (int(n) for n in numbers(pairs.get("dim", "1024"), "dim"))
    (count,) = (int(n) for n in numbers(pairs.get("k", "6"), "k"))
    shape = [int(size) for size in numbers(pairs.get("latent", "16,60,104"), "latent")]
    if len(shape) != 3 or min(*sizes, *shape, dim, count) < 1:
        raise LongtakeError("Expected positive numbers, and latent=CHANNELS,HEIGHT,WIDTH.")
    (threads,) = (int(n) for n in numbers(pairs.get("threads", str(num_cores())), "threads"))
    prepare_process(threads)
    config = AutoencoderConfig(shape[0], shape[1], shape[2], dim, (64, 128, 256))
    device = pick_device(pairs.get("device", "auto"))
    result = bench_search(sizes, dim, count, config, device)
    table = Table("frames", "index MiB", "one read ms", "search ms", "search / read")
    for row in result.rows:
        table.add_row(
            str(row.num_frames),
            f"{row.index_mib:.1f}",
            f"{row.floor_ms:.3f}",
            f"{row.search_ms:.3f}",
            f"{row.search_ms / row.floor_ms:.2f}",
        )
    console = Console()
    console.print(table)
    machine = result.machine
    console.print(
        f"encode one block of 3 latents {result.latent_shape}: {result.encode_ms:.2f} ms; the "
        f"paper says {PAPER_ENCODE_MS} ms to encode and {PAPER_SEARCH_MS} ms to search, on a GPU\n"
        f"{machine.gpu or machine.host_cpu}, {machine.threads} threads",
        highlight=False,
        soft_wrap=True,
    )
    if arguments.json:
        write_json(Path(arguments.json), result.to_json())
    return 0
