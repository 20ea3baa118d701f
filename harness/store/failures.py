"""The file failure.json: why the last attempt at a unit, or at scoring it, failed."""

from __future__ import annotations

from dataclasses import dataclass

from harness.store.record import now

# A message may hold megabytes: what a person reads is at its ends.
_MOST_CHARS = 20_000


@dataclass(frozen=True)
class Failure:
    """One failed attempt.

    Attributes:
        error: one line.
        traceback: the traceback, or what the worker printed.
        time: when it failed, UTC.
    """

    error: str
    traceback: str = ""
    time: str = ""

    @classmethod
    def of(cls, error: str, details: str) -> Failure:
        """Describe a failure whatever its text holds."""
        return cls(_printable(error), _printable(details), now())


def _printable(text: str) -> str:
    """Replace lone surrogates, which have no encoding, and cut out the middle of long texts."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\\0")
    if len(text) <= _MOST_CHARS:
        return text
    half = _MOST_CHARS // 2
    return f"{text[:half]}\n[{len(text) - _MOST_CHARS} characters left out]\n{text[-half:]}"
