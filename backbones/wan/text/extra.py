"""Packages of the optional extra `wan`, imported when they are needed."""

from __future__ import annotations

import importlib
from types import ModuleType

from harness.core.errors import ConfigError


def import_extra(name: str) -> ModuleType:
    """Import a module of the extra.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f'The text encoder needs the package {name} ({error}): pip install "longtake[wan]".'
        ) from error
