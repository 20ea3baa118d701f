"""The lines and the JSON document of a self-test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.core.version import __version__
from harness.studies.gpu_selftest.claims import CheckResult, Verdict

SCHEMA = 1


def line(result: CheckResult) -> str:
    """Return the line of one check: name, verdict, seconds, figure."""
    return f"{result.name:17} {result.verdict:13} {result.seconds:6.1f} s  {result.figure}"


def summary(results: Sequence[CheckResult]) -> str:
    """Return the last line."""
    counts = dict.fromkeys(Verdict, 0)
    for result in results:
        counts[result.verdict] += 1
    parts = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    return f"{', '.join(parts)} in {sum(result.seconds for result in results):.0f} s"


def exit_code(results: Sequence[CheckResult]) -> int:
    """Return 0 if at least one check passed and none failed, else 1."""
    verdicts = {result.verdict for result in results}
    return 0 if Verdict.passed in verdicts and Verdict.failed not in verdicts else 1


def document(
    results: Sequence[CheckResult], options: Mapping[str, Any], refused: str | None = None
) -> dict[str, Any]:
    """Return everything as JSON; numbers that JSON lacks become texts.

    Args:
        results: of the checks so far.
        options: of the command, as they were given.
        refused: why the device cannot be used, if so.
    """
    return {
        "schema": SCHEMA,
        "longtake": __version__,
        **options,
        "refused": refused,
        "exit_code": exit_code(results),
        "checks": [_plain(asdict(result)) for result in results],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
