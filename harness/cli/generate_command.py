"""`python -m harness generate`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import Overrides
from harness.store.header import COMMAND


def generate(
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="Description of the video.")],
    overrides: Overrides = None,
) -> int:
    """Generate one video and print its path.

    Each setting names one value; nothing is scored.

    ```
    python -m harness generate prompt="dusk grassy four walking" method=rag
    ```
    """
    from harness.cli.terminal import STOPPED, Terminal
    from harness.config.sweep import load_single
    from harness.run.stages import run_command
    from harness.run.worker import stopping_on_signals
    from harness.store.run_store import RunStore
    from harness.store.units import plan_units

    config = load_single(prompt, overrides or [])
    units, store, terminal = plan_units(config), RunStore(config.settings.store), Terminal()
    argv = [*COMMAND, "generate", f"prompt={prompt}", *(overrides or [])]
    with stopping_on_signals() as stop_requested:
        outcome = run_command(units, config, store, argv, terminal, stop_requested)
    if outcome.stopped:
        terminal.say("Stopped; progress is saved. Run the same command again to continue.")
        return STOPPED
    (unit,) = units
    if outcome.failed:
        terminal.say(f"See {store.failure_path(unit.id)}")
        return 1
    terminal.say(f"{store.unit_dir(unit.id) / 'video.mp4'}")
    return 0
