"""Submission to SLURM for sweep, latents and resume: plan, show, submit, name the next steps."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.cli.sweep_story import warn_of_disk
from harness.cli.terminal import Terminal
from harness.config.sweep import ExecutorKind, Settings, SweepConfig
from harness.core.errors import ConfigError
from harness.core.files import locked
from harness.core.human import counted
from harness.run.estimate import disk_bytes
from harness.run.power import SuitePower
from harness.run.sweep import make_shard, missing_units
from harness.store.run_store import RunStore
from harness.store.shards import Stage
from harness.store.units import Unit
from harness.studies.encoders.corpus_config import CorpusConfig
from slurm.campaign import Campaign, stages_of
from slurm.plan.arrays import Plan
from slurm.plan.missing import MissingWork, missing_of_units
from slurm.site import with_site_defaults
from slurm.submission import JobStage, submit_lock
from slurm.submit.dispatch import Dispatcher


def submit_sweep(
    units: list[Unit],
    config: SweepConfig,
    argv: Sequence[str],
    dry_run: bool,
    with_report: bool,
    terminal: Terminal,
    power: Sequence[SuitePower] = (),
) -> int:
    """Submit the missing work of a sweep and return the exit code.

    Args:
        units: the whole sweep.
        config: its settings.
        argv: the command line, recorded in the run store and with the submission.
        dry_run: print what would be submitted instead.
        with_report: also submit the job that renders the report.
        terminal: where to print.
        power: differences that the prompts tell, for the JSON of a dry run.

    Raises:
        ConfigError: settings that only local executors have.
        LongtakeError: what `Campaign` refuses.
    """
    settings = config.settings
    if settings.workers or settings.threads:
        raise ConfigError(
            "workers= and threads= are for this machine; on SLURM: "
            "executor.slurm.max_running=N, executor.slurm.generate.cpus=N."
        )
    store = RunStore(settings.store.absolute())
    profile, inherited = with_site_defaults(settings.executor.slurm, os.environ)
    for line in inherited:
        terminal.say(line, style="yellow")
    campaign = Campaign(Dispatcher(store.root, profile, tuple(argv), str(Path.cwd())))
    if not dry_run:
        campaign.check()
    with submitting(store.root, dry_run):
        work = work_of(units, settings)
        if not dry_run:
            for text in store.add_command(units, list(argv), config.resolved):
                terminal.say(text, style="yellow")
        num_units = len(units) if with_report else None
        return submit_work(campaign, work, num_units, dry_run, terminal, power)


def must_submit(corpus: CorpusConfig) -> bool:
    """Check if the videos of a corpus have to be rolled out on a cluster first."""
    settings = corpus.config.settings
    return settings.executor.kind is ExecutorKind.slurm and bool(
        missing_units(RunStore(settings.store), corpus.units)
    )


def submit_corpus(corpus: CorpusConfig, again: Sequence[str], terminal: Terminal) -> int:
    """Submit the missing videos of a corpus and return the exit code.

    Args:
        corpus: the corpus; running `again` packs it once the videos are done.
        again: the command line of the user.
        terminal: where to print.

    Raises:
        LongtakeError: see `submit_sweep`.
    """
    code = submit_sweep(corpus.units, corpus.config, corpus.command, False, False, terminal)
    store = shlex.quote(str(corpus.config.settings.store))
    terminal.say(
        f"Once python -m harness status {store} shows that these videos are done, continue "
        f"with:\n{shlex.join(again)}"
    )
    return code


@contextmanager
def submitting(store: Path, dry_run: bool) -> Iterator[None]:
    """Keep other commands from submitting to a store, which would submit the same work twice.

    Everything the decision rests on must be read within the block.
    """
    with nullcontext() if dry_run else locked(submit_lock(store)):
        yield


def work_of(units: list[Unit], settings: Settings) -> MissingWork:
    """Return the missing work of the units of a command with these settings."""
    return missing_of_units(
        units,
        settings.duration,
        settings.suite,
        make_shard(settings, Stage.generate),
        make_shard(settings, Stage.evaluate),
    )


def submit_work(
    campaign: Campaign,
    work: MissingWork,
    num_units: int | None,
    dry_run: bool,
    terminal: Terminal,
    power: Sequence[SuitePower] = (),
) -> int:
    """Submit the open part of `work`, or print it, and return the exit code.

    Args:
        campaign: the sweep on its cluster.
        work: the missing work.
        num_units: units of the report; None for no report.
        dry_run: print the sbatch texts and submit nothing.
        terminal: where to print.
        power: as for `submit_sweep`.
    """
    num_open, abandoned = campaign.open(work).num_items, campaign.abandoned(work)
    busy = work.num_items - len(abandoned) - num_open
    is_due = num_open or (num_units is not None and campaign.report_is_due)
    plan = campaign.plan(work, num_units) if is_due else None
    if dry_run and terminal.as_json:
        found = _as_dict(plan, campaign, busy, len(abandoned))
        terminal.print_json(found | {"power": [asdict(suite) for suite in power]})
        return 0
    if abandoned:
        sweep = shlex.quote(str(campaign.store))
        terminal.say(
            f"Skipped {counted(len(abandoned), 'item')} after {campaign.profile.max_attempts} "
            "attempts that failed or saved nothing. To retry, with more time where tasks ran out "
            f"of it: python -m harness resume --again {sweep} executor.slurm.generate.time_min=N",
            style="yellow",
        )
    if plan is None:
        if busy:
            terminal.say(f"Already running or queued: {counted(busy, 'item')}.")
        elif not abandoned:
            terminal.say("Nothing is missing.")
        _say_next(campaign, terminal)
        return 1 if abandoned else 0
    _show(plan, terminal)
    missing = (unit for shard in work.generate for unit in shard.units)
    warn_of_disk(campaign.store, disk_bytes(missing), terminal)
    if dry_run:
        for text in campaign.scripts(plan):
            terminal.say(text)
        return 0
    with terminal.console.status("submitting"):
        folder = campaign.submit(plan)
    jobs = folder.submission.jobs
    terminal.say(
        f"submitted: {', '.join(f'{job.stage} {job.job_id}' for job in jobs if job.job_id)}"
    )
    if waiting := folder.submission.num_waiting:
        terminal.say(
            f"{counted(waiting, 'task')} exceed the site's limit on submitted jobs: "
            "each task that ends submits more. Raise executor.slurm.shard_min to need fewer tasks. "
            "Once none is running, resume submits the rest.",
            style="yellow",
        )
    return _say_next(campaign, terminal)


def _as_dict(plan: Plan | None, campaign: Campaign, busy: int, num_skipped: int) -> dict[str, Any]:
    """Return the plan of a dry run as plain values; without arrays if nothing is missing."""
    return {
        "running_or_queued": busy,
        "skipped": num_skipped,
        "array_tasks": {stage.value: plan.count(stage) if plan else 0 for stage in JobStage},
        "gpu_hours": plan.gpu_hours if plan else 0.0,
        "most_gpu_hours": plan.most_gpu_hours if plan else 0.0,
        "scripts": campaign.scripts(plan) if plan else [],
    }


def _show(plan: Plan, terminal: Terminal) -> None:
    terminal.say(f"array tasks: {stages_of(plan)}")
    if plan.most_gpu_hours:
        terminal.say(
            f"GPU-hours: about {plan.gpu_hours:.1f}, at most {plan.most_gpu_hours:.1f} by the time "
            "limits"
        )
    else:
        terminal.say("GPU-hours: none")


def _say_next(campaign: Campaign, terminal: Terminal) -> int:
    sweep = shlex.quote(str(campaign.store))
    for verb, purpose in (
        ("status", "show progress (--watch: until it is done)"),
        ("logs", "show what the tasks print"),
        ("resume", "submit what failed or was lost"),
        ("cancel", "cancel all pending and running tasks"),
    ):
        terminal.say(f"  python -m harness {verb} {sweep}   # {purpose}")
    return 0
