"""`python -m harness cancel`."""

from __future__ import annotations

from harness.cli.options import Store
from harness.core.errors import ClusterError
from harness.store.folders import existing_store


def cancel(sweep: Store) -> int:
    """Stop a sweep: its processes on this machine, or its tasks on a SLURM cluster.

    Finished work is kept, and `resume` continues from there.
    """
    from harness.cli.local_sweep import cancel_sweep
    from harness.cli.terminal import Terminal
    from harness.core.files import locked
    from harness.store.run_store import RunStore
    from slurm import commands
    from slurm.status.state import read_state
    from slurm.submission import submissions, submit_lock

    terminal = Terminal()
    store = existing_store(sweep).absolute()
    if not submissions(store) and not submit_lock(store).exists():
        return cancel_sweep(RunStore(store), terminal)
    # A submission in progress holds this lock: its later arrays would be missed.
    with terminal.console.status("waiting for a submission to end"), locked(submit_lock(store)):
        state = read_state(store)
        for folder in () if state.unreachable else submissions(store):
            if folder.submission.num_waiting:  # or tasks that end would submit more
                folder.write(folder.submission.withdrawn())
    if state.unreachable:
        raise ClusterError(f"Nothing was cancelled: {state.unreachable}")
    jobs = state.queued_jobs
    if not jobs:
        terminal.say("No pending or running tasks.")
        return 0
    commands.run(["scancel", *jobs])
    terminal.say(f"cancelled: {', '.join(jobs)}; finished work is kept, resume continues it")
    return 0
