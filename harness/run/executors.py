"""Executors: run shards in this process, one after the other, or in worker processes.

On the command line this process has a guard, which goes on with the others if a unit ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.config.sweep import ExecutorKind, Settings
from harness.core.devices import visible_gpus
from harness.core.errors import ConfigError
from harness.core.events import Emit, Event, EventKind, StopRequested
from harness.core.guard import Failure, guarded
from harness.core.machine import num_cores
from harness.run.course import Course
from harness.run.processes import ProcessPool
from harness.run.stalls import ending_if_stalled
from harness.run.worker import run_shard
from harness.store.run_store import RunStore
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
        for shard in _those_in_step_last(_not_failed(shards, emit)):
            _run_here(shard, settings.stall_limit_s, emit, stop_requested)
    elif shards:
        gpus = visible_gpus(shards[0].device)
        pool = ProcessPool(shards, num_workers(settings), gpus, settings.stall_limit_s)
        pool.run(emit, stop_requested)


def _not_failed(shards: Sequence[Shard], emit: Emit) -> list[Shard]:
    """Report what failed in earlier processes of this command; return the rest of the shards."""
    guard = guarded()
    if guard is None:
        return list(shards)
    left = []
    for shard in shards:
        store, items = RunStore(Path(shard.store)), set(shard.items)
        failures = {f.item: f for f in guard.failures if f.store == shard.store and f.item in items}
        for failure in failures.values():
            told = failure.log is None
            if failure.log is not None:
                store.write_failure(failure.item, failure.text, failure.log)
            emit(Event(EventKind.failed, failure.item, text=failure.text, replayed=told))
            guard.note(replace(failure, log=None))
        rest = shard.without(failures)
        if rest.items:
            left.append(rest)
    return left


def _those_in_step_last(shards: Sequence[Shard]) -> list[Shard]:
    """Move what was in step when an earlier process was ended to the end, to be made one by one."""
    guard = guarded()
    if guard is None or not guard.in_step:
        return list(shards)
    first, last = [], []
    for shard in shards:
        suspects = {item for store, item in guard.in_step if store == shard.store}
        first.append(shard.without(suspects))
        last.append(replace(shard.only(suspects), batch=1))
    return [shard for shard in (*first, *last) if shard.items]


def _run_here(
    shard: Shard, limit_s: float | None, emit: Emit, stop_requested: StopRequested
) -> None:
    """Run a shard in this process; its guard, if it has one, knows what it is at."""
    guard = guarded()
    if guard is None:
        if limit_s is not None:
            raise ConfigError(
                "stall_limit_s= ends the process of a unit, which is yours in the Python API and "
                "under a debugger; add executor=processes."
            )
        run_shard(shard, emit, stop_requested)
        return
    course = Course(shard.items, shard.batch)

    def follow(event: Event) -> None:
        before = course.blamed, course.in_step
        course.follow(event)
        if event.kind is EventKind.failed:
            guard.note(Failure(shard.store, event.item, event.text))
        if (course.blamed, course.in_step) != before:
            guard.blame(shard.store, course.blamed, course.in_step)
        emit(event)

    with (
        guard.at_work(shard.store, course.blamed),
        ending_if_stalled(limit_s, guard.log, follow, stop_requested) as functions,
    ):
        run_shard(shard, *functions)
