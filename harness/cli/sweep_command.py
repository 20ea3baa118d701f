"""`python -m harness sweep`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Json, Overrides
from harness.core.errors import ConfigError

if TYPE_CHECKING:
    from harness.cli.terminal import Terminal
    from harness.config.sweep import Settings, SweepConfig
    from harness.run.power import SuitePower
    from harness.store.run_store import RunStore
    from harness.store.units import Unit
    from harness.studies.experiments.plan import ExperimentPlan


def sweep(
    overrides: Overrides = None,
    cfg: Annotated[
        bool, typer.Option("--cfg", help="Print the resolved configuration of every row and exit.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print units, estimated time and disk, and exit.")
    ] = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Stop after scoring, without a report.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Generate, score and report a grid of backbones and methods.

    Comma lists span the grid. The same command again does only what is missing; Ctrl-C stops
    cleanly. `experiment=NAME|FILE` runs a named grid with its own rows: delta_loss, rope,
    paper_main. `--json` goes with `--dry-run`.

    ```
    python -m harness sweep backbone=tiny_short,tiny_long method=sliding_window,rag duration=30
    ```
    """
    from harness.cli.submit import submit_sweep
    from harness.cli.terminal import Terminal
    from harness.config.sweep import ExecutorKind, load_sweep
    from harness.run.power import sweep_power
    from harness.run.stages import run_command
    from harness.run.worker import stopping_on_signals
    from harness.store.run_store import RunStore
    from harness.store.units import plan_units
    from harness.studies.experiments.experiment import split_experiment
    from harness.studies.experiments.plan import ExperimentPlan

    if as_json and not dry_run:
        raise ConfigError("sweep --json goes with --dry-run.")
    terminal = Terminal(as_json=as_json)
    name, others = split_experiment(overrides or [])
    plan = ExperimentPlan.load(name, others) if name else None
    argv = ["python", "-m", "harness", "sweep", *(overrides or [])]
    if plan and not cfg:
        code = _prepare(plan, argv, dry_run, terminal)
        if code is not None:
            return code
    config = plan.config() if plan else load_sweep(others)
    if cfg:
        _print_config(config, terminal)
        return 0
    units = plan_units(config)
    store = RunStore(config.settings.store)
    if plan and not dry_run:
        plan.note(store)
    if config.settings.executor.kind is ExecutorKind.slurm:
        if dry_run and not as_json:
            _say_power(sweep_power(units, config.settings), terminal)
        return submit_sweep(units, config, argv, dry_run, not no_report, terminal)
    if dry_run:
        return _dry_run(units, store, config.settings, terminal)
    started = time.perf_counter()
    with stopping_on_signals() as stop_requested:
        outcome = run_command(units, config, store, argv, terminal, stop_requested)
    if outcome.stopped:
        return terminal.say_stopped(argv)
    for item, error in outcome.failed.items():
        terminal.say(f"failed: {item} {error} (see {store.failure_path(item)})", style="red")
    seconds = time.perf_counter() - started
    num_failed = len({item.rpartition(":")[2] for item in outcome.failed})
    terminal.say(f"{len(units)} units, {num_failed} failed, {seconds:.0f} s.")
    if not no_report:
        _report(store, terminal)
    return 1 if outcome.failed else 0


def _prepare(
    plan: ExperimentPlan, argv: Sequence[str], dry_run: bool, terminal: Terminal
) -> int | None:
    """Train missing encoders; return an exit code if the sweep has to wait for them."""
    from harness.cli.submit import must_submit, submit_corpus
    from harness.core.events import Interrupted
    from harness.run.worker import stopping_on_signals
    from harness.studies.experiments.prepare import prepare_encoders

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


def _dry_run(units: list[Unit], store: RunStore, settings: Settings, terminal: Terminal) -> int:
    from harness.run.estimate import estimate
    from harness.run.power import sweep_power
    from harness.run.sweep import missing_units

    cost = estimate(units, missing_units(store, units), settings)
    power = sweep_power(units, settings)
    header = ("backbone", "method", "units", "missing")
    if terminal.as_json:
        rows = [dict(zip(header, row, strict=True)) for row in cost.rows]
        suites = [asdict(suite) for suite in power]
        terminal.print_json({**asdict(cost), "rows": rows, "power": suites})
        return 0
    terminal.print_table(header, [tuple(map(str, row)) for row in cost.rows])
    terminal.say(f"generation: about {cost.generate_s / 60:.1f} min ({cost.source})")
    terminal.say(f"disk: about {cost.disk_bytes / 2**20:.0f} MiB of latents and videos")
    if scripts := [unit.script for unit in units if unit.script]:
        switches = ", ".join(dict.fromkeys(str(script.switch) for script in scripts))
        terminal.say(f"scripts: the prompt changes in {len(scripts)} units (switch: {switches})")
    _say_power(power, terminal)
    return 0


def _say_power(power: Sequence[SuitePower], terminal: Terminal) -> None:
    """Say which differences the prompts tell, with the spreads of earlier sweeps."""
    from eval.statistics import MIN_CLUSTERS

    for suite in power:
        prompts = f"{suite.num_prompts} prompt{'' if suite.num_prompts == 1 else 's'}"
        if suite.effect is None:
            terminal.say(
                f"{suite.suite}: {prompts} cannot tell any difference from noise; at least "
                f"{MIN_CLUSTERS} can: prompts.num={MIN_CLUSTERS}"
            )
            continue
        terminal.say(
            f"{suite.suite}, {suite.duration_s:g} s: {prompts} tell differences of "
            f"{suite.effect:.2f} spreads (80 % power, {suite.num_comparisons} differences tested)"
        )
        if suite.metrics:
            lines = [
                (one.metric, f"{one.spread:.3g}", f"{suite.effect * one.spread:.3g}")
                for one in suite.metrics
            ]
            header = ("metric", "spread in earlier sweeps", "smallest detectable difference")
            terminal.print_table(header, lines)
        else:
            terminal.say("their spread over prompts is unknown until there are first results")


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
