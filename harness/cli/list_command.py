"""`python -m harness list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Json
from harness.core.errors import ConfigError

_RUNS = "runs"


def list_(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(metavar="KIND", help="Kinds to list; everything by default."),
    ] = None,
    as_json: Json = False,
) -> int:
    """List available backbones, methods, encoders, metrics, suites, prompts and experiments.

    `list runs` shows the sweeps in the folder runs.

    ```
    python -m harness list methods encoders
    python -m harness list runs
    ```
    """
    from dataclasses import asdict

    from harness.cli.runs_table import show_runs
    from harness.cli.terminal import Terminal
    from harness.config.catalog import KINDS, catalog
    from harness.core.errors import unknown_name

    terminal = Terminal(as_json=as_json)
    for kind in kinds or ():
        if kind not in (*KINDS, _RUNS):
            raise unknown_name("kind of thing to list", kind, (*KINDS, _RUNS))
    if kinds and _RUNS in kinds:
        if len(kinds) > 1:
            raise ConfigError("list runs cannot be combined with other kinds.")
        return show_runs(Path(_RUNS), terminal)
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
