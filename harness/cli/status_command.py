"""`python -m harness status`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import Json, Store
from harness.store.folders import existing_store

if TYPE_CHECKING:
    from slurm.status.state import SweepState


def status(
    sweep: Store,
    watched: Annotated[
        bool,
        typer.Option("--watch", help="Refresh until nothing is pending or running."),
    ] = False,
    every: Annotated[
        float, typer.Option(min=1, metavar="S", help="Seconds between two updates of --watch.")
    ] = 10.0,
    as_json: Json = False,
) -> int:
    """Show which units of a sweep are done, missing or failed, and which processes work on it.

    On a SLURM cluster results are read first, then the whole queue with one squeue. The exit code
    is 1 if something failed or was lost.
    """
    from harness.cli.local_sweep import show_status
    from harness.cli.terminal import STOPPED, Terminal
    from harness.cli.watch import View, watch
    from harness.store.run_store import RunStore
    from slurm.status.state import read_state
    from slurm.status.table import num_wrong, one_line, render
    from slurm.status.verdicts import Verdict
    from slurm.submission import submissions

    terminal = Terminal(as_json=as_json)
    store = existing_store(sweep).absolute()
    is_local = not submissions(store)
    try:
        if is_local:
            return show_status(RunStore(store), watched, every, terminal)
        view = View(
            lambda: read_state(store),
            render,
            one_line,
            lambda state: bool(
                state.with_verdict(Verdict.pending, Verdict.running, Verdict.unknown)
            ),
        )
        state = watch(view, every, terminal) if watched else read_state(store)
    except KeyboardInterrupt:
        if not watched:
            raise
        terminal.say(
            f"\nThe {'processes' if is_local else 'jobs'} go on. To watch them again: "
            f"python -m harness status --watch sweep={shlex.quote(str(store))}"
        )
        return STOPPED
    if not (watched or as_json):
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
