"""Signals that end a task, and how it returns to the queue."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

from harness.core.errors import ClusterError
from slurm.commands import minutes, run

_TRIES = 4
_WAIT_S = 5.0
_TIMEOUT_S = 20
_CLOCK_TICK_S = 90  # SLURM looks at time limits every 30 s, and prints whole minutes here


class StopSignals:
    """Turns the signals that end a job into a request to stop after the current block.

    It replaces submitit's handlers: those ignore SIGTERM, the only warning before a preemption on
    most clusters, and on SIGUSR2 (the time limit is near) leave at once and lose the block.
    """

    def __init__(self) -> None:
        self._received: list[int] = []
        for signum in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(signum, self._note)

    def received(self) -> bool:
        """Return True once a signal has arrived."""
        return bool(self._received)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._received.append(signum)


def stopped_early(task_id: str, signal_delay_s: int) -> bool:
    """Return whether a task was stopped long before its time limit, as by a preemption.

    Args:
        task_id: the task.
        signal_delay_s: seconds before the time limit at which the signal comes.
    """
    try:
        left = run(["squeue", "-h", "-j", task_id, "-o", "%L"], timeout_s=_TIMEOUT_S).strip()
    except ClusterError:
        return False
    left_min = minutes(left)
    if left_min is None:
        return left == "UNLIMITED"
    return left_min * 60 > signal_delay_s + _CLOCK_TICK_S


def requeue(task_id: str) -> None:
    """Return this task to the queue and exit, unless SLURM has already decided about it.

    Raises:
        SystemExit: always.
    """
    error = ""
    for _ in range(_TRIES):
        try:
            # A task that just exits while it is preempted counts as completed, so it must ask for
            # the requeue. One that is being cancelled, or requeued by SLURM, is no longer RUNNING
            # for the controller: a second requeue would undo that decision.
            state = run(["squeue", "-h", "-j", task_id, "-o", "%T"], timeout_s=_TIMEOUT_S).strip()
            if state == "RUNNING":
                run(["scontrol", "requeue", task_id], timeout_s=_TIMEOUT_S)
            sys.exit(1)
        except ClusterError as failed:
            error = str(failed)
            time.sleep(_WAIT_S)
    sys.exit(f"Stopped with all progress saved, but requeueing failed: {error}")
