"""`python -m harness grid`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Stores
from harness.core.errors import ConfigError, unknown_name
from harness.store.folders import existing_store

if TYPE_CHECKING:
    import pandas as pd


def grid(
    sweep: Stores,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="ID", help="By default the prompt that most rows have."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed to show; by default the smallest of the prompt.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(metavar="NAME[,NAME]", help="Backbones; by default all.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(metavar="NAME[,NAME]", help="Methods; by default all.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file, .mp4 or .webp.")] = Path(
        "grid.mp4"
    ),
    columns: Annotated[int | None, typer.Option(min=1, help="Videos in a row.")] = None,
    height: Annotated[
        int, typer.Option(min=16, max=2160, metavar="PX", help="Height of each video.")
    ] = 240,
    duration: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="S", help="Seconds from the start; by default all."),
    ] = None,
) -> int:
    """Write the videos of one prompt and seed side by side, with labels, as one MP4 or WebP.

    ```
    python -m harness grid main method=sliding_window,rag out=grid.mp4
    ```
    """
    from harness.cli.terminal import Terminal
    from harness.store.frames import as_dicts, load_sweeps
    from reports.papers.grid import LabelledVideo, write_grid

    loaded = load_sweeps([existing_store(folder) for folder in sweep])
    units = loaded.units[loaded.units["status"] == "done"]
    if units.empty:
        raise ConfigError(f"{loaded.name} has no finished video.")
    units = _only(_only(units, "backbone", backbone), "method", method)
    rows = units.groupby("prompt_id", sort=False).size()
    chosen = _only(units, "prompt_id", prompt or str(rows.idxmax()))
    chosen = _only(chosen, "seed", str(chosen["seed"].min() if seed is None else seed))
    several = chosen["backbone"].nunique() > 1
    shown = [
        LabelledVideo(
            loaded.unit_folder(unit) / unit["video"],
            f"{unit['method']}, {unit['backbone']}" if several else unit["method"],
        )
        for unit in as_dicts(chosen)
    ]
    write_grid(shown, out, columns, height, duration)
    Terminal().say(f"{len(shown)} videos of {chosen['prompt_id'].iloc[0]}: {out}")
    return 0


def _only(units: pd.DataFrame, column: str, names: str | None) -> pd.DataFrame:
    """Return the lines whose `column` is one of a comma list; all without a list."""
    if names is None:
        return units
    values = units[column].astype(str)
    # A label may itself have commas, as prompt ids never do.
    wanted = [names] if (values == names).any() else names.split(",")
    for name in wanted:
        if not (values == name).any():
            raise unknown_name(column.removesuffix("_id"), name, sorted(set(values)))
    return units[values.isin(wanted)]
