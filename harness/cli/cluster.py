"""What `sweep executor=slurm` and `resume` share: plan, show, submit, and say what comes next."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console

from harness.config.sweep import Settings, SweepConfig
from harness.core.errors import LongtakeError
from harness.core.files import locked
from harness.run.sweep import make_shard
from harness.store.run_store import RunStore
from harness.store.shards import Stage
from harness.store.units import Unit
from slurm.campaign import Campaign, stages_of
from slurm.dispatch import Dispatcher
from slurm.planning import Plan
from slurm.work import Work, asked_for


def submit_sweep(
    units: list[Unit],
    config: SweepConfig,
    argv: list[str],
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    """Submit what is missing of a sweep and return; returns the exit code.

    Raises:
        LongtakeError: see slurm.campaign.
    """
    settings = config.settings
    if settings.executor.workers or settings.executor.threads:
        raise LongtakeError(
            "executor.workers and executor.threads are for executor=processes; on SLURM: "
            "executor.slurm.max_running=N, executor.slurm.generate.cpus=N."
        )
    store = RunStore(settings.store.absolute())
    campaign = Campaign(
        Dispatcher(store.root, settings.executor.slurm, tuple(argv), str(Path.cwd()))
    )
    num_units = None if arguments.no_report else len(units)
    if not arguments.dry_run:
        campaign.check()
    with submitting(store.root, arguments.dry_run):
        work = work_of(units, settings)
        if not arguments.dry_run:
            store.add_command(units, argv, config.resolved)
        return submit_work(campaign, work, num_units, arguments.dry_run, console)


@contextmanager
def submitting(store: Path, dry_run: bool) -> Iterator[None]:
    """Keeps other commands from submitting: two at once would both find the same work open.

    Whatever the decision is made by must be read within the block.
    """
    with nullcontext() if dry_run else locked(store / "slurm" / ".lock"):
        yield


def work_of(units: list[Unit], settings: Settings) -> Work:
    """What is missing of the units of a command with these settings."""
    return asked_for(
        units,
        settings.duration,
        settings.suite,
        make_shard(settings, Stage.generate),
        make_shard(settings, Stage.evaluate),
    )


def submit_work(
    campaign: Campaign, work: Work, num_units: int | None, dry_run: bool, console: Console
) -> int:
    """Submit what is open of `work`, or with `dry_run` print what would be; the exit code."""
    open_work, given_up = campaign.open(work), campaign.given_up(work)
    again = f"python -m harness resume --again sweep={shlex.quote(str(campaign.store))}"
    if given_up:
        console.print(
            f"left out after {campaign.profile.max_attempts} attempts: {len(given_up)}; to try "
            f"once more: {again}",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    report_is_due = num_units is not None and campaign.report_is_due
    if not open_work.items and not report_is_due:
        busy = len(work.items - given_up)
        if busy or not given_up:
            text = f"at work already: {busy}" if busy else "Nothing is missing."
            console.print(text, highlight=False)
        return _next(campaign, console)
    plan = campaign.plan(work, num_units)
    _show(plan, console)
    if dry_run:
        for text in campaign.scripts(plan):
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        return 0
    with console.status("submitting"):
        folder = campaign.submit(plan)
    ids = ", ".join(f"{job.stage} {job.job_id}" for job in folder.submission.jobs)
    console.print(f"submitted: {ids}", markup=False, highlight=False, soft_wrap=True)
    return _next(campaign, console)


def _show(plan: Plan, console: Console) -> None:
    console.print(f"array tasks: {stages_of(plan)}", highlight=False)
    if plan.most_gpu_hours:
        console.print(
            f"GPU-hours: about {plan.gpu_hours:.1f}, at most {plan.most_gpu_hours:.1f} by the time "
            "limits",
            highlight=False,
        )
    else:
        console.print("GPU-hours: none", highlight=False)


def _next(campaign: Campaign, console: Console) -> int:
    sweep = shlex.quote(str(campaign.store))
    for verb, purpose in (
        ("status", "how far it is (--watch: again and again)"),
        ("logs", "what the tasks print"),
        ("resume", "submit what failed or was lost"),
        ("cancel", "take everything back"),
    ):
        console.print(
            f"  python -m harness {verb} sweep={sweep}   # {purpose}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return 0
