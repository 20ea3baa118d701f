"""`python -m harness verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import Json, Store, Threads
from harness.store.folders import existing_store


def verify(
    sweep: Store,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Remove wrong files, so that the same sweep command makes them again."
        ),
    ] = False,
    threads: Threads = None,
    as_json: Json = False,
) -> int:
    """Compare every file of a sweep with its digest: videos, latents, plans, records, scores.

    The exit code is 1 if something is wrong.

    ```
    python -m harness verify main
    python -m harness verify main --repair
    ```
    """
    from rich.progress import Progress

    from harness.cli.terminal import Terminal
    from harness.core.machine import num_cores
    from harness.store.paths import StorePaths
    from harness.store.verify import Fault, repair_fault, unit_ids_of, verify_store

    terminal = Terminal(as_json=as_json)
    store = existing_store(sweep)
    paths = StorePaths(store)
    unit_ids = unit_ids_of(paths)
    console = terminal.console
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("verify", total=len(unit_ids))
        faults = verify_store(paths, threads or num_cores(), lambda *_: bar.advance(task))
    if repair:
        for fault in faults:
            repair_fault(fault)

    def remedy(fault: Fault) -> str:
        if not fault.removed:
            return "the same command writes it again"
        names = ", ".join(path.name for path in fault.removed)
        return f"removed {names}" if repair else f"--repair removes {names}"

    rows = [(str(f.path.relative_to(store)), f.reason, remedy(f)) for f in faults]
    if as_json:
        keys = ("file", "reason", "remedy")
        terminal.print_json(
            {"units": len(unit_ids), "faults": [dict(zip(keys, row, strict=True)) for row in rows]}
        )
    elif rows:
        terminal.print_table(("file", "what is wrong", "remedy"), rows)
    terminal.say(f"{len(unit_ids)} units, {len(faults)} wrong files.", "red" if faults else None)
    return 1 if faults else 0
