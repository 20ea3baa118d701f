"""`python -m harness resume`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Store
from harness.core.errors import ConfigError
from harness.store.folders import existing_store

if TYPE_CHECKING:
    from harness.cli.terminal import Terminal
    from harness.config.slurm_profile import SlurmProfile

_PREFIX = "executor.slurm."


def resume(
    sweep: Store,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="executor.slurm.KEY=VALUE",
            help="Changes to the profile of the last submission; docs/slurm.md lists the keys.",
        ),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Also retry items that already failed executor.slurm.max_attempts times.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the sbatch text and the GPU-hours and exit.")
    ] = False,
) -> int:
    """Continue a sweep: on this machine, or by submitting its missing work to SLURM.

    Finished units and pending or running tasks are left alone.

    ```
    python -m harness resume main executor.slurm.generate.mem_gib=64
    ```
    """
    from harness.cli.local_sweep import resume_sweep
    from harness.cli.submit import submitting
    from harness.cli.terminal import Terminal
    from harness.store.run_store import RunStore
    from slurm.submission import submissions

    for override in overrides or ():
        if not override.startswith(_PREFIX):
            raise ConfigError(f"{override!r}: resume takes a sweep and {_PREFIX}KEY=VALUE.")
    store = existing_store(sweep).absolute()
    if not submissions(store):
        if overrides or again or dry_run:
            raise ConfigError(
                f"{store} runs on this machine: {_PREFIX}KEY=, --again and --dry-run are for SLURM."
            )
        return resume_sweep(RunStore(store), Terminal())
    with submitting(store, dry_run):
        return _resume(store, overrides or [], again, dry_run, Terminal())


def _resume(
    store: Path, changes: Sequence[str], again: bool, dry_run: bool, terminal: Terminal
) -> int:
    from harness.cli.submit import submit_work
    from harness.store.run_store import RunStore
    from slurm.campaign import Campaign
    from slurm.commands import release
    from slurm.plan.missing import missing_of_submissions
    from slurm.submission import submissions
    from slurm.submit.dispatch import Dispatcher

    folders = submissions(store)
    newest = folders[-1].submission
    profile = _changed(newest.profile, changes)
    campaign = Campaign(Dispatcher(store, profile, newest.command, newest.cwd, again=again))
    held = campaign.state.held_tasks if campaign.state else []
    if held and not dry_run:
        release(held)
        terminal.say(f"released: {', '.join(held)}, which SLURM could not launch")
    num_units = len({line.unit_id for line in RunStore(store).unit_lines()})
    report_on = num_units if campaign.wants_report else None
    work = missing_of_submissions(store, folders)
    return submit_work(campaign, work, report_on, dry_run, terminal)


def _changed(profile: dict[str, object], changes: Sequence[str]) -> SlurmProfile:
    """Return the profile of the last submission with some keys changed."""
    from harness.config.overrides import merge
    from harness.config.slurm_profile import SlurmProfile
    from harness.core.schema import build

    values = merge(profile, [change.removeprefix(_PREFIX) for change in changes])
    return build(SlurmProfile, values, "executor.slurm")
