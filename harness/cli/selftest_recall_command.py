"""`python -m harness dev selftest-recall`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def selftest_recall(
    scripts: Annotated[int, typer.Option(min=1, metavar="N", help="Scripts of each scene.")] = 12,
    seed: Annotated[int, typer.Option(help="Of scripts and streets.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the table to this file.")
    ] = None,
) -> int:
    """Score videos of the street whose truth is known: ceilings, floors and copies.

    Rendered videos, the same through the VAE, copies of the last view, and another thing at each
    return. No model is rolled out; 12 scripts of each scene take about two minutes of one core.

    ```
    python -m harness dev selftest-recall scripts=12 out=table.md
    ```
    """
    from rich.progress import Progress

    from backbones.world.street.prompt import Scene
    from harness.cli.terminal import Terminal
    from harness.core.files import write_text
    from harness.studies.worlds.bounds import markdown, measure_bounds

    terminal = Terminal()
    with Progress(console=terminal.console, disable=not terminal.console.is_terminal) as bar:
        task = bar.add_task("self-test", total=len(Scene) * scripts)
        bounds = measure_bounds(list(Scene), scripts, seed, lambda: bar.advance(task))
    text = "\n".join(markdown(bounds))
    terminal.say(text)
    if out:
        write_text(out, text + "\n")
    return 0
