"""Executors: run shards in this process, one after the other, or in worker processes."""

from __future__ import annotations

from collections.abc import Sequence

from harness.config.sweep import ExecutorKind, Settings
from harness.core.devices import visible_gpus
from harness.core.errors import ConfigError
from harness.core.events import Emit, StopRequested
from harness.core.machine import num_cores
from harness.run.processes import ProcessPool
from harness.run.worker import run_shard
from harness.store.shards import Shard


def num_workers(settings: Settings) -> int:
    """Return the worker processes: as set, else one per GPU, else one per CPU core.

    The inline executor has one, and so has every task on SLURM.
    """
    if settings.executor.kind in (ExecutorKind.inline, ExecutorKind.slurm):
        return 1
    return settings.workers or len(visible_gpus(settings.device)) or num_cores()


def num_threads(settings: Settings) -> int:
    """Return the CPU threads of one worker: as set, else an even share of the cores."""
    return settings.threads or max(1, num_cores() // num_workers(settings))


def run_shards(
    shards: Sequence[Shard], settings: Settings, emit: Emit, stop_requested: StopRequested
) -> None:
    """Run all shards, reporting through `emit`; return early once asked to stop.

    Raises:
        ConfigError: the executor submits instead of running, which only `sweep` does.
    """
    if settings.executor.kind is ExecutorKind.slurm:
        raise ConfigError("executor=slurm is for sweep; this command takes inline or processes.")
    if settings.executor.kind is ExecutorKind.inline:
        for shard in shards:
            run_shard(shard, emit, stop_requested)
    elif shards:
        ProcessPool(shards, num_workers(settings), visible_gpus(shards[0].device)).run(
            emit, stop_requested
        )
