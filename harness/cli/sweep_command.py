"""`python -m harness sweep`."""

from __future__ import annotations

import argparse
import shlex
import time

from rich.console import Console

from harness.config import SweepConfig, load_sweep
from harness.estimate import estimate
from harness.progress import ProgressView
from harness.store import RunStore
from harness.sweep import (
    Outcome,
    missing_evaluations,
    missing_units,
    run_evaluation,
    run_generation,
)
from harness.units import Unit, plan_units
from harness.worker import StopRequested, stopping_on_signals

STOPPED = 130


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    console = Console()
    config = load_sweep(arguments.overrides)
    if arguments.cfg:
        _print_config(config, console)
        return 0
    units = plan_units(config)
    store = RunStore(config.settings.store)
    if arguments.dry_run:
        estimate(units, missing_units(store, units), config.settings).show(console)
        return 0
    command = shlex.join(["python", "-m", "harness", "sweep", *arguments.overrides])
    store.add_command(units, shlex.split(command), config.resolved)
    started = time.perf_counter()
    with stopping_on_signals() as stop_requested:
        outcome = run_stages(units, config, store, console, stop_requested)
    if outcome.stopped:
        console.print(
            f"Stopped; progress is saved. To go on:\n{command}", soft_wrap=True, markup=False
        )
        return STOPPED
    if not arguments.no_report:
        _report(store, console)
    for unit_id, error in outcome.failed.items():
        console.print(
            f"failed: {unit_id} {error} (see {store.unit_dir(unit_id) / 'failure.json'})",
            style="red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    seconds = time.perf_counter() - started
    num_failed = len(outcome.failed)
    console.print(f"{len(units)} units, {num_failed} failed, {seconds:.0f} s.", highlight=False)
    return 1 if outcome.failed else 0


def run_stages(
    units: list[Unit],
    config: SweepConfig,
    store: RunStore,
    console: Console,
    stop_requested: StopRequested,
) -> Outcome:
    """Generate and score what is missing.

    A second round makes anew the videos that scoring found damaged.
    """
    settings = config.settings
    labels = {
        unit.id: f"{unit.backbone} | {unit.method} | {unit.prompt_set}/{unit.prompt_id} "
        f"seed {unit.seed}"
        for unit in units
    }
    failed: dict[str, str] = {}
    for _ in range(2):
        missing = [unit for unit in missing_units(store, units) if unit.id not in failed]
        if missing:
            amounts = {unit.id: unit.num_latents for unit in missing}
            with ProgressView("generate", amounts, labels, console) as view:
                outcome = run_generation(missing, settings, view.show, stop_requested)
            failed |= outcome.failed
        tasks = missing_evaluations(store, labels, settings.duration, settings.suite)
        if tasks and not stop_requested():
            amounts = {task.unit_id: task.num_clips_about for task in tasks}
            with ProgressView("score", amounts, labels, console) as view:
                outcome = run_evaluation(tasks, settings, view.show, stop_requested)
            damaged = {unit_id for unit_id in outcome.failed if store.record(unit_id) is None}
            failed |= {key: text for key, text in outcome.failed.items() if key not in damaged}
        if stop_requested() or not missing_units(store, units):
            break
    return Outcome(failed, stop_requested())


def _report(store: RunStore, console: Console) -> None:
    from reports.build import build_report

    paths = build_report(store.root)
    console.print(f"tables: {store.root / 'report' / 'tables'}", markup=False, soft_wrap=True)
    console.print(f"leaderboard: {paths.index}", markup=False, highlight=False, soft_wrap=True)


def _print_config(config: SweepConfig, console: Console) -> None:
    from omegaconf import OmegaConf

    for row in config.resolved:
        text = OmegaConf.to_yaml(OmegaConf.create(row))
        console.print(f"---\n{text.rstrip()}", markup=False, highlight=False, soft_wrap=True)
