"""Defaults that a site's login profile sets for sbatch, such as SBATCH_ACCOUNT.

sbatch would let them override the options of a batch file. They are read once instead, count where
the profile sets nothing, and are saved with the submission, so that every job, trial and resume
requests the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.config.slurm_profile import SlurmProfile

_FIELDS = ("partition", "account", "qos", "constraint")
_EXTRA = ("reservation", "wckey")  # not clusters: status asks the one of this machine
_DEFAULTS = {f"SBATCH_{name.upper()}": name for name in (*_FIELDS, *_EXTRA)}
_OF_A_JOB = ("SBATCH_EXPORT", "SBATCH_DEBUG")


def with_site_defaults(
    profile: SlurmProfile, environment: Mapping[str, str]
) -> tuple[SlurmProfile, list[str]]:
    """Return the profile with the defaults of the site, and a line about each variable.

    Args:
        profile: settings of the user, which come first.
        environment: variables of the shell.
    """
    lines = []
    for variable, value in sorted(environment.items()):
        if not variable.startswith("SBATCH_") or not value or variable in _OF_A_JOB:
            continue
        name = _DEFAULTS.get(variable)
        if name is None:
            lines.append(
                f"{variable}={value} is ignored; executor.slurm.extra sets options of sbatch."
            )
            continue
        key = name if name in _FIELDS else f"extra.{name}"
        given = getattr(profile, name) if name in _FIELDS else profile.extra.get(name)
        if given is None:
            values = {name: value} if name in _FIELDS else {"extra": {**profile.extra, name: value}}
            profile = replace(profile, **values)
            lines.append(f"{variable}={value} sets executor.slurm.{key}.")
        elif given != value:
            lines.append(f"{variable}={value} is ignored: executor.slurm.{key}={given}.")
    return profile, lines
