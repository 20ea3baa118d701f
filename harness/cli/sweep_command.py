"""`python -m harness sweep`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from harness.cli.submit import must_submit, submit_corpus, submit_sweep
from harness.cli.terminal import Terminal
from harness.config.sweep import ExecutorKind, SweepConfig, load_sweep
from harness.core.events import Interrupted
from harness.run.estimate import estimate
from harness.run.final_scores import write_rows
from harness.run.stages import run_stages
from harness.run.sweep import missing_units
from harness.run.worker import stopping_on_signals
from harness.store.run_store import RunStore
from harness.store.units import plan_units
from harness.studies.experiments.experiment import split_experiment
from harness.studies.experiments.plan import ExperimentPlan
from harness.studies.experiments.prepare import prepare_encoders


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    terminal = Terminal()
    name, overrides = split_experiment(arguments.overrides)
    plan = ExperimentPlan.load(name, overrides) if name else None
    argv = ["python", "-m", "harness", "sweep", *arguments.overrides]
    if plan and not arguments.cfg:
        code = _prepare(plan, argv, arguments.dry_run, terminal)
        if code is not None:
            return code
    config = plan.config() if plan else load_sweep(overrides)
    if arguments.cfg:
        _print_config(config, terminal)
        return 0
    units = plan_units(config)
    store = RunStore(config.settings.store)
    if plan and not arguments.dry_run:
        plan.note(store)
    if config.settings.executor.kind is ExecutorKind.slurm:
        return submit_sweep(
            units, config, argv, arguments.dry_run, not arguments.no_report, terminal
        )
    if arguments.dry_run:
        estimate(units, missing_units(store, units), config.settings).show(terminal.console)
        return 0
    store.add_command(units, argv, config.resolved)
    started = time.perf_counter()
    with stopping_on_signals() as stop_requested:
        outcome = run_stages(units, config.settings, store, terminal, stop_requested)
    if outcome.stopped:
        return terminal.say_stopped(argv)
    for item, error in outcome.failed.items():
        terminal.say(f"failed: {item} {error} (see {store.failure_path(item)})", style="red")
    seconds = time.perf_counter() - started
    num_failed = len({item.rpartition(":")[2] for item in outcome.failed})
    terminal.say(f"{len(units)} units, {num_failed} failed, {seconds:.0f} s.")
    write_rows(store, config.settings.suite)
    if not arguments.no_report:
        _report(store, terminal)
    return 1 if outcome.failed else 0


def _prepare(
    plan: ExperimentPlan, argv: Sequence[str], dry_run: bool, terminal: Terminal
) -> int | None:
    """Train the encoders that are missing; return an exit code if the sweep has to wait."""
    missing = plan.missing_encoders()
    if dry_run and missing:
        terminal.say(f"encoders to train first, their rows not counted below: {', '.join(missing)}")
    elif missing and must_submit(plan.corpus):
        return submit_corpus(plan.corpus, argv, terminal)
    elif missing:
        try:
            with stopping_on_signals() as stop_requested:
                prepare_encoders(plan, terminal, stop_requested)
        except Interrupted:
            return terminal.say_stopped(argv)
    return None


def _report(store: RunStore, terminal: Terminal) -> None:
    from reports.site.build import build_report

    paths = build_report(store.root)
    for ablation in paths.ablations:
        terminal.say(f"ablation: {ablation}")
    terminal.say(f"tables: {paths.index.parent / 'tables'}")
    terminal.say(f"leaderboard: {paths.index}")


def _print_config(config: SweepConfig, terminal: Terminal) -> None:
    from omegaconf import OmegaConf

    for row in config.resolved:
        terminal.say(f"---\n{OmegaConf.to_yaml(OmegaConf.create(row)).rstrip()}")
