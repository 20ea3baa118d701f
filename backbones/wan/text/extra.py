"""Packages of the extra `wan`, imported when they are needed."""

from __future__ import annotations

import importlib
from types import ModuleType

from harness.core.errors import LongtakeError


def import_extra(name: str) -> ModuleType:
    """A module of the extra.

    Raises:
        LongtakeError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise LongtakeError(
            f'The text encoder needs the package {name} ({error}): pip install "longtake[wan]".'
        ) from error
