"""What a method or backbone is, in the words of its own docstring."""

from __future__ import annotations

from functools import cache

from harness.registry import read_docstring


@cache
def describe(target: str | None) -> str | None:
    """The docstring of the class that a record names; None when it is not installed here."""
    return read_docstring(target) or None if target else None
