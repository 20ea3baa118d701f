"""`python -m harness status`."""

from __future__ import annotations

import shlex
import time
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import Json, Store
from harness.store.folders import existing_store

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cli.terminal import Terminal
    from slurm.status.state import SweepState


def status(
    sweep: Store,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again until nothing is pending or running.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=1, metavar="S", help="Seconds between two updates of --watch.")
    ] = 10.0,
    as_json: Json = False,
) -> int:
    """Show what is done, missing and failed of a sweep, and who works on it.

    On a SLURM cluster results are read first, then the whole queue with one squeue. The exit code
    is 1 if something failed or was lost.
    """
    from harness.cli.local_sweep import show_status
    from harness.cli.terminal import STOPPED, Terminal
    from harness.store.run_store import RunStore
    from slurm.status.state import read_state
    from slurm.status.table import num_wrong, render
    from slurm.submission import submissions

    terminal = Terminal(as_json=as_json)
    store = existing_store(sweep).absolute()
    if not submissions(store):
        return show_status(RunStore(store), watch, every, terminal)
    state = read_state(store)
    if watch:
        try:
            state = _watch(store, state, every, terminal)
        except KeyboardInterrupt:
            terminal.say(
                "\nThe jobs go on. To watch them again: python -m harness status --watch "
                f"sweep={shlex.quote(str(store))}"
            )
            return STOPPED
    elif not as_json:
        terminal.console.print(render(state), soft_wrap=True)
    if as_json:
        terminal.print_json(_as_dict(state))
    report = store / "report/index.html"
    if report.is_file():
        terminal.say(f"leaderboard: {report}")
    if wrong := num_wrong(state):
        terminal.say(
            f"{wrong} failed or lost; to submit them again: python -m harness resume {store}",
            style="red",
        )
    return 1 if wrong or state.unreachable else 0


def _watch(store: Path, state: SweepState, every_s: float, terminal: Terminal) -> SweepState:
    """Show the state until nothing is pending or running: a table, in files a line per change."""
    from rich.live import Live

    from slurm.status.state import read_state
    from slurm.status.table import one_line, render
    from slurm.status.verdicts import Verdict

    on_screen = terminal.console.is_terminal
    shown = ""
    with Live(render(state), console=terminal.console) if on_screen else nullcontext() as live:
        while True:
            if live:
                live.update(render(state))
            elif (line := one_line(state)) != shown:
                terminal.say(f"{datetime.now():%H:%M:%S} {line}")
                shown = line
            if not state.with_verdict(Verdict.pending, Verdict.running, Verdict.unknown):
                return state
            time.sleep(every_s)
            state = read_state(store)


def _as_dict(state: SweepState) -> dict[str, Any]:
    return {
        "unreachable": state.unreachable,
        "queued_jobs": list(state.queued_jobs),
        "shards": [
            {
                "stage": shard.shard.stage.value,
                "task": shard.task_id,
                "verdict": shard.verdict.value,
                "items": len(shard.shard.items),
                "left": list(shard.left),
                "failed": list(shard.failed),
                "node": shard.node,
                "error": shard.error,
            }
            for shard in state.shards
        ],
    }
