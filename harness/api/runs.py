"""Sweeps and single videos."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.api.listening import interruptible, listener_of
from harness.api.result import Result, collect
from harness.store.header import COMMAND

if TYPE_CHECKING:
    from harness.config.sweep import SweepConfig
    from harness.core.events import Listener
    from harness.store.units import Unit


def sweep(*overrides: str, progress: bool | Listener = False, **settings: Any) -> Result:
    """Generate and score a grid of backbones and methods; do only what is missing of it.

    Settings are those of `python -m harness sweep`. A list for `backbone`, `method` or `prompts`
    spans the grid. A mapping names settings inside a group: `prompts={"num": 2}` is the same as
    `"prompts.num=2"`. Strings are overrides as on the command line: `"method.layout=aged,fill"`.

    Args:
        overrides: settings as text, `key=value`.
        progress: True prints progress bars and a line per finished video; a `Listener` receives
            the same events.
        settings: settings as keyword arguments.

    Returns:
        The run store, which other calls of the same `name` share, with the records and failures of
        all units of this grid. A unit that fails does not stop the others. With `executor="slurm"`
        the units are submitted, and those not finished yet are `pending`.

    Raises:
        LongtakeError: a setting, name, prompt or duration that cannot be used, missing weights, or
            a cluster or device that failed.
        KeyboardInterrupt: Ctrl-C, after the current block was saved.
    """
    from harness.config.overrides import to_overrides
    from harness.config.sweep import ExecutorKind, load_sweep
    from harness.run.stages import run_command
    from harness.store.run_store import RunStore
    from harness.store.units import plan_units
    from harness.studies.experiments.experiment import split_experiment
    from harness.studies.experiments.plan import ExperimentPlan
    from harness.studies.experiments.prepare import prepare_encoders

    arguments = [*overrides, *to_overrides(settings)]
    argv = [*COMMAND, "sweep", *arguments]
    listener = listener_of(progress)
    name, others = split_experiment(arguments)
    with interruptible() as stop_requested:
        if name is None:
            config = load_sweep(others)
        else:
            plan = ExperimentPlan.load(name, others)
            prepare_encoders(plan, listener, stop_requested)
            config = plan.config()
            plan.note(RunStore(config.settings.store))
        units, store = plan_units(config), RunStore(config.settings.store)
        if config.settings.executor.kind is ExecutorKind.slurm:
            return _submit(units, config, argv, progress)
        outcome = run_command(units, config, store, argv, listener, stop_requested)
    return collect(store, (unit.id for unit in units), outcome.failed)


def generate(
    prompt: str, *overrides: str, progress: bool | Listener = False, **settings: Any
) -> Result:
    """Generate one video without scoring it.

    Args:
        prompt: generation prompt.
        overrides: settings as text, `key=value`; see `sweep`.
        progress: see `sweep`.
        settings: settings as keyword arguments; each names one value.

    Returns:
        Its record and `videos`, the path of the .mp4 file; or the reason in `failures`.

    Raises:
        LongtakeError: settings of more than one video, or as `sweep`.
        KeyboardInterrupt: Ctrl-C, after the current block was saved.
    """
    from harness.config.overrides import to_overrides
    from harness.config.sweep import load_single
    from harness.run.stages import run_command
    from harness.store.run_store import RunStore
    from harness.store.units import plan_units

    arguments = [*overrides, *to_overrides(settings)]
    argv = [*COMMAND, "generate", f"prompt={prompt}", *arguments]
    with interruptible() as stop_requested:
        config = load_single(prompt, arguments)
        units, store = plan_units(config), RunStore(config.settings.store)
        outcome = run_command(units, config, store, argv, listener_of(progress), stop_requested)
    return collect(store, (unit.id for unit in units), outcome.failed)


def _submit(
    units: list[Unit], config: SweepConfig, argv: list[str], progress: bool | Listener
) -> Result:
    from rich.console import Console

    from harness.cli.submit import submit_sweep
    from harness.cli.terminal import Terminal
    from harness.store.run_store import RunStore

    terminal = Terminal() if progress is True else Terminal(Console(quiet=True))
    submit_sweep(units, config, argv, dry_run=False, with_report=False, terminal=terminal)
    result = collect(RunStore(config.settings.store), (unit.id for unit in units), {})
    pending = dict.fromkeys(unit.id for unit in units if unit.id not in result.records)
    return replace(result, pending=tuple(pending))
