"""`python -m harness export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Stores
from harness.store.folders import existing_store


def export(
    sweep: Stores,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="An empty folder; by default dataset in the first sweep."
        ),
    ] = None,
    videos: Annotated[bool, typer.Option("--videos", help="Copy the videos as well.")] = False,
) -> int:
    """Write one or several sweeps as a data set: Parquet tables and a data card.

    The folder has the layout of Hugging Face datasets, and names no folder of this machine.

    ```
    python -m harness export main out=dataset --videos
    ```
    """
    from harness.cli.terminal import Terminal
    from harness.store.frames import load_sweeps
    from reports.papers.dataset import write_dataset

    folders = [existing_store(folder) for folder in sweep]
    target = out or folders[0] / "dataset"
    written = write_dataset(load_sweeps(folders), target, videos)
    Terminal().say(f"{len(written)} files: {written[0]}")
    return 0
