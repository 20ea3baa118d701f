"""`python -m harness export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Stores, one_of
from harness.store.folders import existing_store


def export(
    sweep: Stores,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="An empty folder; by default dataset, tensorboard or wandb in the first sweep.",
        ),
    ] = None,
    to: Annotated[
        str,
        one_of(
            "destination",
            ("dataset", "tensorboard", "wandb"),
            "Parquet with a data card, event files of TensorBoard, or runs of Weights & Biases.",
        ),
    ] = "dataset",
    project: Annotated[
        str, typer.Option(metavar="NAME", help="Project of Weights & Biases.")
    ] = "longtake",
    videos: Annotated[bool, typer.Option("--videos", help="Add the videos as well.")] = False,
) -> int:
    """Write one or several sweeps as a data set, or log them to TensorBoard or Weights & Biases.

    A data set is Parquet tables and a data card in the layout of Hugging Face datasets. The other
    two need their package. Nothing names a folder of this machine.

    ```
    python -m harness export main out=dataset --videos
    python -m harness export main to=tensorboard --videos
    ```
    """
    from harness.cli.terminal import Terminal
    from harness.store.frames import load_sweeps
    from reports.papers.dataset import write_dataset

    folders = [existing_store(folder) for folder in sweep]
    target = out or folders[0] / to
    loaded, terminal = load_sweeps(folders), Terminal()
    if to == "tensorboard":
        from reports.papers.tracking import write_tensorboard

        rows = write_tensorboard(loaded, target, videos)
        terminal.say(f"{len(rows)} rows: tensorboard --logdir {target}")
    elif to == "wandb":
        from reports.papers.tracking import write_wandb

        names = write_wandb(loaded, target, project, videos)
        terminal.say(f"{len(names)} runs in project {project}; files: {target}")
    else:
        written = write_dataset(loaded, target, videos)
        terminal.say(f"{len(written)} files: {written[0]}")
    return 0
