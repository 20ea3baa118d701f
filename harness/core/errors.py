"""Errors meant for people: one line on the terminal, no traceback.

The class determines the exit code: 2 for a mistake of the user, 3 for an environment that failed.
A defect inside Longtake is not a `LongtakeError` and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class LongtakeError(ValueError):
    """A problem the user can fix; the text says what was expected and what to do."""

    exit_code = 2


class ConfigError(LongtakeError):
    """A setting, override, argument, prompt set or manifest that cannot be used."""


class UnknownName(LongtakeError):
    """A name that isn't registered; the text suggests the nearest one."""


class MissingWeights(LongtakeError):
    """Weights that are not on this machine, or are not the expected ones."""


class PlanError(LongtakeError):
    """A memory strategy returned a context plan that breaks the contract."""


class StoreError(LongtakeError):
    """A run store or a corpus, or a file of one, that cannot be read or used."""


class WorkFailed(LongtakeError):
    """Part of the work failed, and the rest needs it; the same command tries it again."""

    exit_code = 1


class TrainingDiverged(WorkFailed):
    """A loss or gradient is infinite or NaN; what was saved before is good."""


class EnvironmentFailed(LongtakeError):
    """The environment failed, not the command: the same command may succeed later."""

    exit_code = 3


class ClusterError(EnvironmentFailed):
    """SLURM did not answer, refused, or lost a job."""


class DeviceError(EnvironmentFailed):
    """A compute device is missing, was lost, or ran out of memory."""


class DeviceLost(DeviceError):
    """A GPU or its driver failed in mid-work; every later call of this process would fail too."""


class DiskError(EnvironmentFailed):
    """The disk is full or read-only, or a quota or a limit on file size is reached."""


@contextmanager
def naming(place: object) -> Iterator[None]:
    """Begin the text of each `LongtakeError` of a block with the file or place it is about."""
    try:
        yield
    except LongtakeError as error:
        raise type(error)(f"{place}: {error}") from error


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, or None when nothing is close."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """Build the error for a name not in `known`, with the nearest and all choices."""
    choices = sorted(known)
    close = nearest(name, choices)
    hint = f" Did you mean {close!r}?" if close else ""
    return UnknownName(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(choices) or 'none'}.")
