"""`python -m harness sweep`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Json, Overrides
from harness.core.errors import ConfigError
from harness.store.header import COMMAND

if TYPE_CHECKING:
    from harness.cli.terminal import Terminal
    from harness.config.sweep import Settings, SweepConfig
    from harness.store.run_store import RunStore
    from harness.store.units import Unit
    from harness.studies.experiments.plan import ExperimentPlan
    from reports.site.build import ReportPaths


def sweep(
    overrides: Overrides = None,
    cfg: Annotated[
        bool, typer.Option("--cfg", help="Print the resolved configuration of every row and exit.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print units, estimated time, disk, downloads, and exit."),
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="With --dry-run: load the weights and time a few blocks where no earlier sweep "
            "has measured the speed.",
        ),
    ] = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Stop after scoring, without a report.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only failures and the path of the page.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Generate, score and report a grid of backbones and methods.

    Comma lists span the grid. The same command again does only what is missing; Ctrl-C stops
    cleanly. `experiment=NAME|FILE` runs a named grid with its own rows (`list experiments`).
    `--json` prints the results, or with `--dry-run` the estimate.

    ```
    python -m harness sweep backbone=street,street_window method=sliding_window,rag duration=30
    ```
    """
    from harness.cli.dry_run import show_dry_run
    from harness.cli.terminal import Terminal
    from harness.config.sweep import ExecutorKind, load_sweep
    from harness.store.run_store import RunStore
    from harness.store.units import plan_units
    from harness.studies.experiments.experiment import split_experiment
    from harness.studies.experiments.plan import ExperimentPlan

    if measure and not dry_run:
        raise ConfigError("--measure goes with --dry-run.")
    terminal = Terminal(as_json=as_json, quiet=quiet)
    name, others = split_experiment(overrides or [])
    plan = ExperimentPlan.load(name, others) if name else None
    argv = [*COMMAND, "sweep", *(overrides or [])]
    if plan and not cfg:
        code = _prepare(plan, argv, dry_run, terminal)
        if code is not None:
            return code
    config = plan.config() if plan else load_sweep(others)
    if cfg:
        _print_config(config, terminal)
        return 0
    settings = config.settings
    _check_options(settings, dry_run, measure, as_json)
    on_slurm = settings.executor.kind is ExecutorKind.slurm
    units = plan_units(config, only_count=dry_run and not measure and not on_slurm)
    store = RunStore(settings.store)
    if plan and not dry_run:
        plan.note(store)
    if on_slurm:
        from harness.cli.dry_run import say_power
        from harness.cli.submit import submit_sweep
        from harness.run.power import sweep_power

        power = sweep_power(units, settings) if dry_run else []
        if not as_json:
            say_power(power, terminal)
        return submit_sweep(units, config, argv, dry_run, not no_report, terminal, power)
    if dry_run:
        return show_dry_run(units, store, settings, terminal, measure)
    return _run(units, config, store, argv, not no_report, terminal)


def _check_options(settings: Settings, dry_run: bool, measure: bool, as_json: bool) -> None:
    """Refuse options that have no meaning for a sweep on a cluster."""
    from harness.config.sweep import ExecutorKind

    if settings.executor.kind is not ExecutorKind.slurm:
        return
    if measure:
        raise ConfigError("--measure times blocks on this machine; it can't go with SLURM.")
    if as_json and not dry_run:
        raise ConfigError(
            "--json needs --dry-run on SLURM, where results come later: status --json, report."
        )


def _run(
    units: list[Unit],
    config: SweepConfig,
    store: RunStore,
    argv: Sequence[str],
    with_report: bool,
    terminal: Terminal,
) -> int:
    """Do what is missing on this machine, and tell the story of it."""
    from harness.cli import sweep_story
    from harness.core.guard import continues
    from harness.run.estimate import estimate
    from harness.run.stages import run_command
    from harness.run.sweep import missing_units
    from harness.run.worker import stopping_on_signals

    cost = estimate(units, missing_units(store, units), store, config.settings)
    if not continues():
        sweep_story.say_start(store, cost, config.settings, with_report, terminal)
    paths = None
    with terminal.whole(sweep_story.expected_stages(cost, with_report)) as bar:
        with stopping_on_signals() as stop_requested:
            outcome = run_command(units, config, store, argv, terminal, stop_requested)
        if with_report and not outcome.stopped:
            paths = _report(store, len(units), terminal)
    if terminal.as_json:
        terminal.print_json(sweep_story.as_dict(store, cost, outcome, bar.seconds, paths))
    if outcome.stopped:
        return terminal.say_stopped(argv)
    sweep_story.say_end(store, cost, outcome, bar.seconds, paths, terminal)
    return 1 if outcome.failed else 0


def _report(store: RunStore, num_units: int, terminal: Terminal) -> ReportPaths:
    """Build the report as a stage of its own, counted in videos, and note its time."""
    from harness.core.events import Event, EventKind
    from harness.store.stage_times import StageTime, add_stage_times
    from reports.site.build import build_report

    started = time.perf_counter()
    with terminal.stage("report", {"page": num_units}, {}) as emit:
        paths = build_report(
            store.root,
            advance=lambda step, done, total: emit(
                Event(EventKind.progress, "page", amount=done)
                if step == "videos"
                else Event(EventKind.loading, text=step)
            ),
        )
        took_s = time.perf_counter() - started
        emit(Event(EventKind.done, "page", seconds=took_s))
    add_stage_times(store, [StageTime.ended_now("report", took_s, num_units)])
    return paths


def _prepare(
    plan: ExperimentPlan, argv: Sequence[str], dry_run: bool, terminal: Terminal
) -> int | None:
    """Train missing encoders; return an exit code if the sweep has to wait for them."""
    from harness.cli.submit import must_submit, submit_corpus
    from harness.core.events import Interrupted
    from harness.run.worker import stopping_on_signals
    from harness.store.processes import working
    from harness.store.run_store import RunStore
    from harness.studies.experiments.prepare import prepare_encoders

    missing = plan.missing_encoders()
    if missing:
        _check_options(
            plan.corpus.config.settings, dry_run, measure=False, as_json=terminal.as_json
        )
    if dry_run and missing:
        terminal.say(f"encoders to train first, their rows not counted below: {', '.join(missing)}")
    elif missing and must_submit(plan.corpus):
        return submit_corpus(plan.corpus, argv, terminal)
    elif missing:
        store = RunStore(plan.store)
        plan.note(store)  # with the command, so that `status` shows the training
        for text in store.add_command([], argv, []):
            terminal.say(text, style="yellow")
        try:
            with working(store), stopping_on_signals() as stop_requested:
                prepare_encoders(plan, terminal, stop_requested)
        except Interrupted:
            return terminal.say_stopped(argv)
    return None


def _print_config(config: SweepConfig, terminal: Terminal) -> None:
    from omegaconf import OmegaConf

    for row in config.resolved:
        terminal.say(f"---\n{OmegaConf.to_yaml(OmegaConf.create(row)).rstrip()}")
