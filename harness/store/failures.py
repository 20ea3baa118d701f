"""The file failure.json: the error of the last attempt to make a unit or to score it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.store.record import now

# A message may hold megabytes; its beginning and its end are the useful parts.
_MOST_CHARS = 20_000


@dataclass(frozen=True)
class Failure:
    """One failed attempt.

    Attributes:
        error: the error, as one line.
        traceback: the traceback, or what the worker printed.
        time: when it failed, UTC.
    """

    error: str
    traceback: str = ""
    time: str = ""

    @classmethod
    def of(cls, error: str, details: str) -> Failure:
        """Describe a failure; its text may hold anything."""
        return cls(_printable(error), _printable(details), now())


def _printable(text: str) -> str:
    """Replace lone surrogates, which cannot be encoded, and cut the middle out of long texts."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\\0")
    if len(text) <= _MOST_CHARS:
        return text
    half = _MOST_CHARS // 2
    return f"{text[:half]}\n[{len(text) - _MOST_CHARS} characters left out]\n{text[-half:]}"
