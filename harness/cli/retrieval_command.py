"""`python -m harness retrieval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Threads
from harness.store.folders import existing_store

_ENCODERS = "avg_pool,flat,mean_keys"
_SEARCHED = "What to search"


def retrieval(
    street: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            rich_help_panel=_SEARCHED,
            help="N rendered walks with turns along the street, with exact ground truth; 16 if "
            "nothing else is searched.",
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_SEARCHED,
            help="Rollouts without ground truth: redundancy, spread, age, coverage.",
        ),
    ] = None,
    video: Annotated[
        str,
        typer.Option(
            metavar="FILE[,...]",
            rich_help_panel=_SEARCHED,
            help="Multi-shot videos: all first halves of shots, then all second halves.",
        ),
    ] = "",
    photo: Annotated[
        str,
        typer.Option(
            metavar="FILE[,...]",
            rich_help_panel=_SEARCHED,
            help="Photographs, over which a camera pans back and forth.",
        ),
    ] = "",
    sweep: Annotated[
        Path | None,
        typer.Option(
            metavar="SWEEP",
            rich_help_panel=_SEARCHED,
            help="Sweep with finished videos: relates retrieved frames to later drift.",
        ),
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME[,...]",
            help="Registered names, NAME@CHECKPOINT, or shipped encoders.",
        ),
    ] = _ENCODERS,
    k: Annotated[int, typer.Option("--k", min=1, metavar="N", help="Frames to retrieve.")] = 6,
    guard: Annotated[
        int, typer.Option(min=0, metavar="N", help="Newest latent frames that are left out.")
    ] = 5,
    seconds: Annotated[
        int, typer.Option(min=1, metavar="S", help="Length of rendered and panned videos.")
    ] = 30,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the rendered videos.")] = 0,
    pictures: Annotated[
        int, typer.Option(min=0, metavar="N", help="Videos of each kind to draw.")
    ] = 1,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the page.")] = Path(
        "retrieval"
    ),
    threads: Threads = None,
) -> int:
    """Benchmark retrieval without generating: encoders against random and an oracle.

    ```
    python -m harness retrieval street=16 encoder=avg_pool,flat,mean_keys,mobilenet
    ```
    """
    from harness.cli.terminal import Terminal
    from harness.core.machine import num_cores, prepare_process
    from harness.studies.retrieval.study import RetrievalStudy, run_study
    from methods.retrieval import Retrieval
    from reports.studies.retrieval_page import summarise, tables

    searched = corpus or video or photo or sweep
    study = RetrievalStudy(
        folder=out,
        retrieval=Retrieval(memory_latents=k, recent_exclude_latents=guard),
        sweep=existing_store(sweep) if sweep else None,
        num_street=street if street is not None else 0 if searched else 16,
        corpus=corpus,
        videos=_files(video),
        photos=_files(photo),
        encoders=tuple(encoder.split(",")),
        length_s=seconds,
        seed=seed,
        num_pictures=pictures,
    )
    terminal = Terminal()
    prepare_process(threads or num_cores())
    result = run_study(study, terminal)
    for title, (header, *lines) in tables(summarise(result.measures)).items():
        rows = [(name, *(cell.partition(" ")[0] for cell in cells)) for name, *cells in lines]
        terminal.print_table(header, rows, title=title, title_justify="left")  # no intervals
    for note in result.notes:
        terminal.say(note)
    terminal.say(f"retrieval: {result.page}")
    return 0


def _files(text: str) -> tuple[Path, ...]:
    return tuple(Path(part) for part in text.split(",") if part)
