"""What a method or backbone is, in the words of its own docstring."""

from __future__ import annotations

from functools import cache

from harness.core.errors import LongtakeError
from harness.core.modules import read_docstring
from harness.core.registry import Registry


@cache
def describe(registry: Registry, plugin: str | None) -> str | None:
    """Return the docstring of the class that a record names; None if it isn't installed here."""
    try:
        return read_docstring(registry.target(plugin)) or None if plugin else None
    except (LongtakeError, SyntaxError, OSError, UnicodeError):
        return None
