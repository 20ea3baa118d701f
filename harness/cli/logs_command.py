"""`python -m harness logs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Store
from harness.core.errors import ConfigError
from harness.store.folders import existing_store

if TYPE_CHECKING:
    from slurm.status.state import SweepState
    from slurm.status.verdicts import ShardState

_MOST_TASKS = 5


def logs(
    sweep: Store,
    task: Annotated[
        str | None, typer.Option(metavar="ID", help="Id of a task, as shown by status.")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Unit, or the beginning of its id."),
    ] = None,
    lines: Annotated[int, typer.Option(min=1, metavar="N", help="Lines of each log.")] = 20,
) -> int:
    """Show why units failed, and on a SLURM cluster the last lines of the logs of tasks.

    Without `task=` or `unit=`, the logs of failed tasks are shown, else those of running ones.
    """
    from harness.cli.local_sweep import show_logs
    from harness.cli.terminal import Terminal
    from harness.store.run_store import RunStore
    from slurm.status.logs import log_tail
    from slurm.status.state import read_state
    from slurm.submission import submissions

    terminal = Terminal()
    store = existing_store(sweep).absolute()
    if not submissions(store):
        if task:
            raise ConfigError("task= is for sweeps on SLURM; unit=ID names a unit of this one.")
        return show_logs(RunStore(store), unit, lines, terminal)
    state = read_state(store)
    chosen = _chosen(state, task, unit)
    for shard in chosen[:_MOST_TASKS]:
        for stream in ("out", "err"):
            path = shard.log(stream)
            if path is None:
                continue
            terminal.say(f"==> {shard.verdict} {shard.shard.stage} {shard.task_id}: {path}")
            tail = log_tail(path, 200 * lines)[-lines:]
            terminal.say("\n".join(tail) if tail else "(nothing)")
    if len(chosen) > _MOST_TASKS:
        terminal.say(f"and {len(chosen) - _MOST_TASKS} more tasks: task=ID, unit=ID")
    return 0


def _chosen(state: SweepState, task: str | None, unit: str | None) -> list[ShardState]:
    """Return the named tasks; by default the failed ones, else the running ones."""
    from slurm.status.verdicts import Verdict

    if task or unit:
        found = [
            shard
            for shard in state.shards
            if task in (None, shard.task_id)
            and any((unit or "") in item for item in shard.shard.items)
        ]
        if not found:
            raise ConfigError("No such task in this sweep; python -m harness status lists them.")
        return found
    wrong = [shard for shard in state.shards if shard.failed]
    return wrong or state.with_verdict(Verdict.running) or list(state.shards)
