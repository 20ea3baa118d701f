"""The one error type of a user's mistake. A leaf module: every room may import it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LongtakeError(ValueError):
    """A mistake the user can mend: shown as one line, without a traceback, exit code 2."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None when nothing is close."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown_name(kind: str, name: str, known: Iterable[str]) -> LongtakeError:
    """The error for a name that is not in `known`: suggests the nearest and lists the choices."""
    choices = sorted(known)
    close = nearest(name, choices)
    hint = f" Did you mean {close!r}?" if close else ""
    return LongtakeError(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(choices) or 'none'}.")
