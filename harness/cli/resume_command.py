"""`python -m harness resume`."""

from __future__ import annotations

import argparse
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.cli.arguments import sweep_folder
from harness.cli.submit import submit_work, submitting
from harness.cli.terminal import Terminal
from harness.config.slurm_profile import SlurmProfile
from harness.core.errors import LongtakeError
from harness.core.schema import build
from harness.store.run_store import RunStore
from slurm.campaign import Campaign
from slurm.commands import release
from slurm.plan.missing import missing_of_submissions
from slurm.submission import submissions
from slurm.submit.dispatch import Dispatcher

_PREFIX = "executor.slurm."


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    changes = [item for item in arguments.overrides if item.startswith(_PREFIX)]
    others = [item for item in arguments.overrides if item not in changes]
    for item in others:
        if not item.startswith("sweep="):
            raise LongtakeError(f"{item!r}: resume takes sweep=FOLDER and {_PREFIX}KEY=VALUE.")
    pairs = dict(item.split("=", 1) for item in others)
    store = sweep_folder(pairs).absolute()
    if not submissions(store):
        raise LongtakeError(
            f"Nothing of {store} was submitted to SLURM; to go on here, repeat the sweep command."
        )
    with submitting(store, arguments.dry_run):
        return _resume(store, changes, arguments, Terminal())


def _resume(
    store: Path, changes: list[str], arguments: argparse.Namespace, terminal: Terminal
) -> int:
    folders = submissions(store)
    newest = folders[-1].submission
    profile = _changed(newest.profile, changes)
    campaign = Campaign(
        Dispatcher(store, profile, newest.command, newest.cwd, again=arguments.again)
    )
    held = campaign.state.held_tasks if campaign.state else []
    if held and not arguments.dry_run:
        release(held)
        terminal.say(f"released: {', '.join(held)}, which SLURM could not launch")
    num_units = len({line.unit_id for line in RunStore(store).unit_lines()})
    report_on = num_units if campaign.wants_report else None
    work = missing_of_submissions(store, folders)
    return submit_work(campaign, work, report_on, arguments.dry_run, terminal)


def _changed(profile: dict[str, object], changes: list[str]) -> SlurmProfile:
    """The profile of the last submission with some keys changed."""
    try:
        given = OmegaConf.from_dotlist([item.removeprefix(_PREFIX) for item in changes])
        merged = OmegaConf.to_container(OmegaConf.merge(profile, given))
    except OmegaConfBaseException as error:
        raise LongtakeError(" ".join(str(error).split())) from error
    assert isinstance(merged, dict)
    values = {str(key): value for key, value in merged.items()}
    return build(SlurmProfile, values, "executor.slurm")
