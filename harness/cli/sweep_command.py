"""`python -m harness sweep`."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Mapping, Sequence

from rich.console import Console

from harness.cli.progress import ProgressView
from harness.config.sweep import ExecutorKind, Settings, SweepConfig, load_sweep
from harness.run.estimate import estimate
from harness.run.final_scores import write_rows
from harness.run.sweep import (
    Outcome,
    missing_evaluations,
    missing_units,
    run_evaluation,
    run_generation,
)
from harness.run.worker import StopRequested, stopping_on_signals
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation
from harness.store.units import Unit, plan_units
from harness.studies.experiments import ExperimentPlan, split_experiment

STOPPED = 130


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    console = Console()
    name, overrides = split_experiment(arguments.overrides)
    plan = ExperimentPlan.load(name, overrides) if name else None
    argv = ["python", "-m", "harness", "sweep", *arguments.overrides]
    if plan and not arguments.cfg:
        code = _prepare(plan, argv, console, arguments.dry_run)
        if code is not None:
            return code
    config = plan.config() if plan else load_sweep(overrides)
    if arguments.cfg:
        _print_config(config, console)
        return 0
    units = plan_units(config)
    if plan and not arguments.dry_run:
        plan.note(RunStore(config.settings.store))
    if config.settings.executor.kind is ExecutorKind.slurm:
        from harness.cli.cluster import submit_sweep

        return submit_sweep(units, config, argv, arguments, console)
    store = RunStore(config.settings.store)
    if arguments.dry_run:
        estimate(units, missing_units(store, units), config.settings).show(console)
        return 0
    store.add_command(units, argv, config.resolved)
    started = time.perf_counter()
    with stopping_on_signals() as stop_requested:
        outcome = run_stages(units, config, store, console, stop_requested)
    if outcome.stopped:
        return say_stopped(argv, console)
    for item, error in outcome.failed.items():
        path = store.failure_path(item)
        text = f"failed: {item} {error} (see {path})"
        console.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    seconds = time.perf_counter() - started
    num_failed = len({item.rpartition(":")[2] for item in outcome.failed})
    console.print(f"{len(units)} units, {num_failed} failed, {seconds:.0f} s.", highlight=False)
    write_rows(store, config.settings.suite)
    if not arguments.no_report:
        _report(store, console)
    return 1 if outcome.failed else 0


def run_stages(
    units: list[Unit],
    config: SweepConfig,
    store: RunStore,
    console: Console,
    stop_requested: StopRequested,
) -> Outcome:
    """Generate and score what is missing.

    A second round makes anew the videos that scoring found damaged. Whatever is missing at the end
    has failed, whether or not a worker said so.
    """
    settings = config.settings
    labels = {
        unit.id: f"{unit.backbone} | {unit.method} | {unit.prompt_set}/{unit.prompt_id} "
        f"seed {unit.seed}"
        for unit in units
    }
    prompts = {unit.id: unit.evaluation_prompt for unit in units}
    failed: dict[str, str] = {}
    for _ in range(2):
        missing = [unit for unit in missing_units(store, units) if unit.id not in failed]
        if missing:
            amounts = {unit.id: unit.num_latents for unit in missing}
            with ProgressView("generate", amounts, labels, console) as view:
                failed |= run_generation(missing, settings, view.show, stop_requested).failed
        tasks = missing_evaluations(store, prompts, settings.duration, settings.suite)
        if tasks and not stop_requested():
            outcome = score(tasks, settings, labels, console, stop_requested)
            failed |= {
                item: text
                for item, text in outcome.failed.items()
                if store.record(item.rpartition(":")[2]) is not None
            }
        damaged = [unit for unit in missing_units(store, units) if unit.id not in failed]
        if stop_requested() or not damaged:
            break
    if not stop_requested():
        for unit in missing_units(store, units):
            failed.setdefault(unit.id, "it was not made")
        for task in missing_evaluations(store, prompts, settings.duration, settings.suite):
            failed.setdefault(task.item, "it was not scored")
    return Outcome(failed, stop_requested())


def score(
    tasks: Sequence[Evaluation],
    settings: Settings,
    labels: Mapping[str, str],
    console: Console,
    stop_requested: StopRequested,
) -> Outcome:
    """Score with a progress bar.

    Args:
        tasks: what to score.
        settings: where and how.
        labels: how to call each unit, by its id.
        console: where to show progress.
        stop_requested: asked now and then.
    """
    amounts = {task.item: task.num_clips_about for task in tasks}
    item_labels = {task.item: f"{task.suite} | {labels[task.unit_id]}" for task in tasks}
    with ProgressView("score", amounts, item_labels, console) as view:
        return run_evaluation(tasks, settings, view.show, stop_requested)


def say_stopped(command: Sequence[str], console: Console) -> int:
    """Tell how to go on after a stop; returns the exit code."""
    text = f"Stopped; progress is saved. To go on:\n{shlex.join(command)}"
    console.print(text, soft_wrap=True, markup=False)
    return STOPPED


def _prepare(
    plan: ExperimentPlan, argv: Sequence[str], console: Console, dry_run: bool
) -> int | None:
    from harness.cli.experiment_steps import prepare_encoders  # it uses run_stages of this module

    return prepare_encoders(plan, argv, console, dry_run)


def _report(store: RunStore, console: Console) -> None:
    from reports.site.build import build_report

    paths = build_report(store.root)
    for ablation in paths.ablations:
        console.print(f"ablation: {ablation}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"tables: {paths.index.parent / 'tables'}", markup=False, soft_wrap=True)
    console.print(f"leaderboard: {paths.index}", markup=False, highlight=False, soft_wrap=True)


def _print_config(config: SweepConfig, console: Console) -> None:
    from omegaconf import OmegaConf

    for row in config.resolved:
        text = OmegaConf.to_yaml(OmegaConf.create(row))
        console.print(f"---\n{text.rstrip()}", markup=False, highlight=False, soft_wrap=True)
