"""`python -m harness cancel`."""

from __future__ import annotations

from harness.cli.options import Store
from harness.core.errors import ClusterError
from harness.store.folders import existing_store


def cancel(sweep: Store) -> int:
    """Cancel all pending and running tasks of a sweep on a SLURM cluster.

    What is finished stays, and `resume` continues from there.
    """
    from harness.cli.submit import submit_lock
    from harness.cli.terminal import Terminal
    from harness.core.files import locked
    from slurm import commands
    from slurm.status.state import read_state

    terminal = Terminal()
    store = existing_store(sweep).absolute()
    # A submission in progress holds this lock: its later arrays would be missed.
    with terminal.console.status("waiting for a submission to end"), locked(submit_lock(store)):
        state = read_state(store)
    if state.unreachable:
        raise ClusterError(f"Nothing was cancelled: {state.unreachable}")
    jobs = state.queued_jobs
    if not jobs:
        terminal.say("No pending or running tasks.")
        return 0
    commands.run(["scancel", *jobs])
    terminal.say(f"cancelled: {', '.join(jobs)}; what is finished stays, resume continues from it")
    return 0
