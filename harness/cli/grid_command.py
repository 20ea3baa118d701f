"""`python -m harness grid`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Stores
from harness.store.folders import existing_store


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
    from harness.store.frames import load_sweeps
    from reports.papers.grid import choose_videos, write_grid

    loaded = load_sweeps([existing_store(folder) for folder in sweep])
    videos = choose_videos(
        loaded,
        prompt=prompt,
        seed=seed,
        backbones=_names(backbone, loaded.units["backbone"]),
        methods=_names(method, loaded.units["method"]),
    )
    write_grid(videos.shown, out, columns, height, duration)
    Terminal().say(f"{len(videos.shown)} videos of {videos.prompt_id}: {out}")
    return 0


def _names(text: str | None, labels: Collection[str]) -> list[str] | None:
    """Return the names of a comma list; a label may itself have commas."""
    if text is None:
        return None
    return [text] if text in set(labels) else text.split(",")
