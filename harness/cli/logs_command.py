"""`python -m harness logs`."""

from __future__ import annotations

import argparse

from harness.cli.arguments import numbers, parse_pairs, sweep_folder
from harness.core.errors import LongtakeError
from slurm.status.logs import log_tail
from slurm.status.state import SweepState, read_state
from slurm.status.verdicts import ShardState, Verdict

_LINES = 20
_MOST_TASKS = 5


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, ("sweep", "task", "unit", "lines"))
    state = read_state(sweep_folder(pairs).absolute())
    num_lines = int(numbers(pairs["lines"], "lines")[0]) if "lines" in pairs else _LINES
    chosen = _chosen(state, pairs)
    for shard in chosen[:_MOST_TASKS]:
        for stream in ("out", "err"):
            path = shard.log(stream)
            if path is None:
                continue
            print(f"==> {shard.verdict} {shard.shard.stage} {shard.task_id}: {path}")
            lines = log_tail(path, 200 * num_lines)[-num_lines:]
            print("\n".join(lines) if lines else "(nothing)")
    if len(chosen) > _MOST_TASKS:
        print(f"and {len(chosen) - _MOST_TASKS} more tasks: task=ID, unit=ID")
    return 0


def _chosen(state: SweepState, pairs: dict[str, str]) -> list[ShardState]:
    """The tasks asked for; else those that went wrong; else those that run."""
    if "task" in pairs or "unit" in pairs:
        found = [
            shard
            for shard in state.shards
            if pairs.get("task", shard.task_id) == shard.task_id
            and any(pairs.get("unit", "") in item for item in shard.shard.items)
        ]
        if not found:
            raise LongtakeError("No task of this sweep is called so; see status.")
        return found
    wrong = [shard for shard in state.shards if shard.failed]
    return wrong or state.with_verdict(Verdict.running) or list(state.shards)
