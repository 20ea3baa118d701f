"""`python -m harness attention`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Json, Overrides

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_TABLES = {
    None: "all blocks and layers",
    "layer": "layer",
    "quarter": "quarter of the video",
}


def attention(
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="Description of the video.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also write a page with pictures into this folder."),
    ] = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> int:
    """Show the share of attention on sink, memory, local and virtual frames.

    A rollout is made, and nothing is stored but the page, if `out` asks for one. Blocks before the
    context is full count as well; the share of tokens beside the share of attention is theirs too.

    ```
    python -m harness attention prompt="dusk grassy four walking" method=rag
    ```
    """
    from dataclasses import asdict

    import pandas as pd
    from rich.progress import Progress

    from harness.cli.terminal import Terminal
    from harness.config.sweep import load_single
    from harness.core.devices import pick_device
    from harness.core.machine import num_cores, prepare_process
    from harness.run.prepared import PreparedUnit
    from harness.store.units import plan_units
    from harness.studies.attention import Thumbnails, watch, write_page

    terminal = Terminal(as_json=as_json)
    config = load_single(prompt, overrides or [])
    (unit,) = plan_units(config)
    prepare_process(config.settings.threads or num_cores())
    prepared = PreparedUnit.of(unit)
    device = pick_device(config.settings.device)
    backbone = prepared.source.load(device, unit.prompts)
    pictures = Thumbnails(backbone) if out else None
    with Progress(console=terminal.console, transient=True) as bar:
        task = bar.add_task("attention", total=unit.num_latents)
        watched = watch(
            prepared,
            backbone,
            lambda block: bar.update(task, completed=block.first_frame + len(block.latents)),
            pictures,
        )
    if out:
        page = write_page(out, unit, watched, pictures)
        terminal.say(f"page: {page}")
    if as_json:
        terminal.print_json([asdict(share) for share in watched.shares])
        return 0
    frame = pd.DataFrame(map(asdict, watched.shares))
    for by in _TABLES:
        terminal.console.print(_table(frame, by))
    return 0


def _table(shares: pd.DataFrame, by: str | None) -> Table:
    from rich.table import Table

    from reports.studies.attention_page import share_table

    header, *lines = share_table(shares, by)
    table = Table(title=f"attention / tokens (ratio) by {_TABLES[by]}")
    for column in header:
        table.add_column(column, justify="right")
    for line in lines:
        table.add_row(*line)
    return table
