"""`python -m harness dev bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import JsonFile, Overrides, one_of

_PLAIN_WIDTH = 180  # width of the tables in a file or pipe


def bench(
    overrides: Overrides = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Sets backbone.weights=; random needs no download."),
    ] = None,
    video: Annotated[
        str,
        one_of("choice", ("off", "on"), "Write the .mp4 while measuring; it takes a core."),
    ] = "off",
    out: JsonFile = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write a torch trace of the last two blocks to this file."
        ),
    ] = None,
) -> int:
    """Time rollout, decode, both at once, and scoring on this machine.

    Every method is one row of the tables, measured once everything has run before.

    ```
    python -m harness dev bench method=sliding_window,rag duration=30 suite=[]
    ```
    """
    from harness.cli.bench_tables import block_table, machine_lines, sharing_table, video_table
    from harness.cli.terminal import Terminal
    from harness.config.sweep import load_sweep
    from harness.core.disk import check_trace
    from harness.core.errors import ConfigError
    from harness.core.files import write_json
    from harness.store.units import plan_units
    from harness.studies.bench import rollout

    given = [*([f"backbone.weights={weights}"] if weights else []), *(overrides or [])]
    config = load_sweep(given)
    if (batch := config.settings.batch) > 1:
        raise ConfigError(f"batch={batch}: bench times one video at a time; compare two sweeps.")
    # One video per row: rows differ in method and backbone, not in prompt.
    units = list({(u.backbone, u.method): u for u in reversed(plan_units(config))}.values())[::-1]
    terminal = Terminal(plain_width=_PLAIN_WIDTH)
    with terminal.console.status("bench") as status:
        result = rollout.bench(units, config.settings, status.update, profile, video == "on")
    for number, row in enumerate(result.rows, start=1):
        terminal.say(f"row {number}: {row.backbone} | {row.method}")
    terminal.console.print(block_table(result))
    terminal.console.print(sharing_table(result))
    terminal.console.print(video_table(result))
    for line in machine_lines(result):
        terminal.say(line)
    if out:
        write_json(out, result.to_json())
    if profile:
        check_trace(profile)
        terminal.say(f"profile: {profile} (open it in ui.perfetto.dev)")
    return 0
