"""Logs of tasks: their end, and the line that tells why a task died."""

from __future__ import annotations

import re
from pathlib import Path

from slurm.commands import TaskState

_TAIL_BYTES = 8192
_MEMORY = re.compile(r"memory limit|oom[-_ ]?kill|out of memory", re.IGNORECASE)
_NOISE = re.compile(r"^(srun: |\s*$|submitit (INFO|WARNING))|Job step aborted|forcing job term")


def log_tail(path: Path, num_bytes: int = _TAIL_BYTES) -> list[str]:
    """Return the last lines of a log that are not empty; none if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - num_bytes))
            return [line for line in file.read().decode(errors="replace").splitlines() if line]
    except OSError:
        return []


def last_words(log: Path) -> str:
    """Return the telling line at the end of a log for a message, ": ..."; empty without one."""
    telling = [line for line in log_tail(log) if not _NOISE.search(line)]
    return f": {telling[-1].strip()}" if telling else ""


def explain(task: TaskState, log: Path) -> str:
    """Explain in one line why a task ended without its results: SLURM's word and the log's."""
    if task.state == "CANCELLED":
        return "CANCELLED: by scancel, or because a task that it depends on failed"
    text = task.state
    if task.exit_code and task.exit_code != "0:0":
        text += f" {task.exit_code}"
    lines = log_tail(log)
    if not lines:
        # The usual cause: a run folder that this node does not share, or cannot write to.
        return f"{text}: no log; does node {task.node or '?'} see {log.parent}?"
    # SLURM's state is OUT_OF_MEMORY only with cgroups; without, the log alone says so.
    memory = [line for line in lines if _MEMORY.search(line)]
    if memory:
        return f"out of memory ({text}): {memory[-1]}"
    telling = [line for line in lines if not _NOISE.search(line)]
    return f"{text}: {(telling or lines)[-1].strip()}"
