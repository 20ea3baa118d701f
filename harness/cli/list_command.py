"""`python -m harness list`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import Json


def list_(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(metavar="KIND", help="Kinds to list; everything by default."),
    ] = None,
    as_json: Json = False,
) -> int:
    """List available backbones, methods, encoders, metrics, suites, prompts and experiments.

    ```
    python -m harness list methods encoders
    ```
    """
    from dataclasses import asdict

    from harness.cli.terminal import Terminal
    from harness.config.catalog import KINDS, catalog

    terminal = Terminal(as_json=as_json)
    found = {kind: catalog(kind) for kind in kinds or KINDS}
    if as_json:
        terminal.print_json(
            {kind: [asdict(listed) for listed in things] for kind, things in found.items()}
        )
        return 0
    for kind, things in found.items():
        rows = [(listed.name, listed.summary, listed.origin) for listed in things]
        terminal.print_table((kind, "description", "from"), rows)
    return 0
