"""`python -m harness eval`."""

from __future__ import annotations

import argparse

from rich.console import Console

from eval.suite import DEFAULT_SUITE, check_suites
from harness.cli.arguments import numbers, parse_pairs, sweep_folder
from harness.cli.sweep_command import STOPPED, score
from harness.config import ExecutorKind, ExecutorSettings, Settings
from harness.errors import LongtakeError, unknown_name
from harness.store import RunStore
from harness.sweep import missing_evaluations
from harness.worker import stopping_on_signals


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, ("sweep", "suite", "duration", "executor", "workers"))
    store = RunStore(sweep_folder(pairs))
    lines = store.unit_lines()
    suites = pairs.get("suite", DEFAULT_SUITE).split(",")
    check_suites(suites)
    if "duration" in pairs:
        durations_s = numbers(pairs["duration"], "duration")
    else:
        durations_s = store.durations_s()
    records = [store.record(line["unit_id"]) for line in lines]
    for duration_s in durations_s:
        if not any(record and record.frames_of(duration_s) for record in records):
            raise LongtakeError(
                f"duration={duration_s:g}: no finished video of {store.root} has that many seconds "
                "in whole latent frames."
            )
    settings = Settings(suite=suites, executor=_executor(pairs))
    settings.name, settings.runs = store.root.name, str(store.root.parent)
    console = Console()
    prompts = {line["unit_id"]: line["evaluation_prompt"] for line in lines}
    tasks = missing_evaluations(store, prompts, durations_s, suites)
    if not tasks:
        console.print("Nothing to do: all finished units are scored.")
        return 0
    with stopping_on_signals() as stop_requested:
        outcome = score(tasks, settings, store.labels(), console, stop_requested)
    if outcome.stopped:
        console.print("Stopped; the same command goes on.")
        return STOPPED
    return 1 if outcome.failed or missing_evaluations(store, prompts, durations_s, suites) else 0


def _executor(pairs: dict[str, str]) -> ExecutorSettings:
    kind, workers = pairs.get("executor", "inline"), pairs.get("workers")
    if kind not in list(ExecutorKind):
        raise unknown_name("executor", kind, list(ExecutorKind))
    if workers is not None and not (workers.isdecimal() and int(workers) > 0):
        raise LongtakeError(f"workers={workers}: expected a positive whole number.")
    return ExecutorSettings(ExecutorKind(kind), int(workers) if workers else None)
