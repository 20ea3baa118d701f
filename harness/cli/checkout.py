"""Commands whose modules only a checkout has, because the wheel leaves them out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.core.errors import ConfigError

_LEFT_OUT = ("harness.studies.official", "eval.vbench_long.official_code")


@contextmanager
def needs_checkout(command: str) -> Iterator[None]:
    """Import modules that the wheel leaves out.

    Raises:
        ConfigError: they are not here; names the command and what it needs.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if not str(error.name).startswith(_LEFT_OUT):
            raise
        raise ConfigError(
            f"{command} compares with the official code of VBench-Long and needs a checkout of "
            "Longtake's repository: make install-vbench there."
        ) from error
