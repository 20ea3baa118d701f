"""Results of checks: claims that hold or not, and figures that nothing is claimed of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The end of a check."""

    passed = "PASS"
    failed = "FAIL"
    not_installed = "not installed"
    not_here = "not here"


class NotInstalled(Exception):
    """A package that the check needs is missing; the text names it."""


class NotHere(Exception):
    """The device cannot do what the check is about; the text says what."""


@dataclass(frozen=True)
class Claim:
    """One statement about a measured value.

    Attributes:
        text: what was measured.
        value: the value.
        bound: what is claimed of it.
        holds: whether that is true.
    """

    text: str
    value: float | bool
    bound: str
    holds: bool

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return self.text if self.holds else f"NOT {self.text}"
        return f"{self.text} {self.value:.4g} ({self.bound})"


def at_most(text: str, value: float, limit: float) -> Claim:
    """Claim a value to be at most `limit`; NaN is not."""
    return Claim(text, float(value), f"<= {limit:g}", bool(value <= limit))


def at_least(text: str, value: float, limit: float) -> Claim:
    """Claim a value to be at least `limit`; NaN is not."""
    return Claim(text, float(value), f">= {limit:g}", bool(value >= limit))


def exactly(text: str, value: float, expected: float) -> Claim:
    """Claim a number."""
    return Claim(text, float(value), f"= {expected:g}", bool(value == expected))


def true(text: str, value: bool) -> Claim:
    """Claim a statement to be true."""
    return Claim(text, bool(value), "true", bool(value))


@dataclass(frozen=True)
class Outcome:
    """Claims and figures of a check.

    Attributes:
        claims: statements that must all hold.
        figures: further measurements, as JSON.
    """

    claims: tuple[Claim, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, claims: Iterable[Claim], **figures: Any) -> Outcome:
        """Return the outcome of claims and figures.

        Raises:
            ValueError: no claim, so that the check could not fail.
        """
        found = tuple(claims)
        if not found:
            raise ValueError("A check without a claim cannot fail.")
        return cls(found, figures)

    @property
    def figure(self) -> str:
        """The claims that fail; if all hold, the first two, those with numbers first."""
        failed = [claim for claim in self.claims if not claim.holds]
        ordered = sorted(self.claims, key=lambda claim: isinstance(claim.value, bool))
        return "; ".join(map(str, failed or ordered[:2]))


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: name of the check.
        verdict: how it ended.
        figure: one line: what was measured, or why it was not.
        seconds: time it took.
        claims: see `Outcome`.
        figures: see `Outcome`.
        details: traceback or end of the log, if it failed otherwise than by a claim.
    """

    name: str
    verdict: Verdict
    figure: str
    seconds: float
    claims: tuple[Claim, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    details: str = ""
