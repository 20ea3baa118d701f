"""Lines for the user from places that have no listener."""

from __future__ import annotations

import sys


def note(text: str) -> None:
    """Print a line on standard error, where a progress bar leaves it whole."""
    print(text, file=sys.stderr, flush=True)
