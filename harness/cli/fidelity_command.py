"""`python -m harness fidelity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Device, Stores
from harness.store.folders import existing_store


def fidelity(
    sweep: Stores,
    reference: Annotated[
        str, typer.Option(metavar="METHOD", help="Label of the method to compare with.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="All pairs as CSV; by default fidelity.csv in the sweep."
        ),
    ] = None,
    device: Device = "auto",
) -> int:
    """Compare videos with those of one method, such as a full cache: PSNR, SSIM and LPIPS.

    Only videos of the same backbone, prompt and seed are compared, every fourth frame. LPIPS needs
    weights: `fetch-weights suite=fidelity`.

    ```
    python -m harness fidelity main reference=sliding_window
    ```
    """
    from rich.progress import Progress

    from eval.errors import MetricUnavailable
    from eval.networks.lpips import LPIPS
    from harness.cli.terminal import Terminal
    from harness.core.devices import pick_device
    from harness.store.frames import load_sweeps
    from reports.tables.fidelity import fidelity_pairs, fidelity_rows
    from reports.tables.spreadsheet import write_csv

    terminal = Terminal()
    folders = [existing_store(folder) for folder in sweep]
    console = terminal.console
    try:
        lpips = LPIPS.load(str(pick_device(device)))
    except MetricUnavailable as error:
        lpips = None
        terminal.say(f"without LPIPS: {error}", style="yellow")
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("compare", total=None)
        pairs = fidelity_pairs(
            load_sweeps(folders),
            reference,
            lambda done, total: bar.update(task, completed=done, total=total),
            lpips,
        )
    target = out or folders[0] / "fidelity.csv"
    write_csv(pairs, target)
    header = ("backbone", "method", "PSNR, dB", "SSIM", "LPIPS", "pairs")
    terminal.print_table(header, list(fidelity_rows(pairs)))
    terminal.say(f"all pairs: {target}")
    return 0
