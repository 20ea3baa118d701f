"""`python -m harness grid`."""

from __future__ import annotations

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

    videos = choose_videos(
        load_sweeps([existing_store(folder) for folder in sweep]),
        prompt=prompt,
        seed=seed,
        backbones=backbone,
        methods=method,
    )
    write_grid(videos.shown, out, columns, height, duration)
    Terminal().say(f"{len(videos.shown)} videos of {videos.prompt_id}: {out}")
    return 0
