"""`python -m harness dev bench-search`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import Device, JsonFile, Threads, numbers
from harness.core.errors import ConfigError


def bench_search(
    frames: Annotated[
        str, typer.Option(metavar="N[,N]", help="Sizes of the index to search.")
    ] = "120,480,10000,100000",
    dim: Annotated[int, typer.Option(min=1, metavar="N", help="Length of a descriptor.")] = 1024,
    k: Annotated[int, typer.Option("--k", min=1, metavar="N", help="Frames to retrieve.")] = 6,
    latent: Annotated[
        str, typer.Option(metavar="C,H,W", help="Shape of a latent frame.")
    ] = "16,60,104",
    device: Device = "auto",
    threads: Threads = None,
    out: JsonFile = None,
) -> int:
    """Time retrieval itself: encode a block, search up to 100,000 frames.

    ```
    python -m harness dev bench-search frames=480,100000 dim=1024 k=6
    ```
    """
    from harness.cli.terminal import Terminal
    from harness.core.devices import pick_device
    from harness.core.files import write_json
    from harness.core.machine import num_cores, prepare_process
    from harness.studies.bench import search as study
    from methods.encoders.network import AutoencoderConfig

    sizes = [int(size) for size in numbers(frames, "frames")]
    shape = [int(size) for size in numbers(latent, "latent")]
    if len(shape) != 3 or min(*sizes, *shape) < 1:
        raise ConfigError("Expected positive numbers, and latent=CHANNELS,HEIGHT,WIDTH.")
    prepare_process(threads or num_cores())
    config = AutoencoderConfig(shape[0], shape[1], shape[2], dim, (64, 128, 256))
    result = study.bench_search(sizes, dim, k, config, pick_device(device))
    terminal = Terminal()
    terminal.print_table(
        ("frames", "index MiB", "one read ms", "search ms", "search / read"),
        [
            (
                str(row.num_frames),
                f"{row.index_mib:.1f}",
                f"{row.floor_ms:.3f}",
                f"{row.search_ms:.3f}",
                f"{row.search_ms / row.floor_ms:.2f}",
            )
            for row in result.rows
        ],
    )
    machine = result.machine
    terminal.say(
        f"encode one block of 3 latents {result.latent_shape}: {result.encode_ms:.2f} ms; the "
        f"paper says {study.PAPER_ENCODE_MS} ms to encode and {study.PAPER_SEARCH_MS} ms to "
        f"search, on a GPU\n{machine.gpu or machine.host_cpu}, {machine.threads} threads"
    )
    if out:
        write_json(out, result.to_json())
    return 0
