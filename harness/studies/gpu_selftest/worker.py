"""The process that runs checks one after the other and prints each result as a line of JSON.

A check may hang, or lose the device for the whole process; its parent (`runner.py`) then ends the
process and starts another one for the checks that are left.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from harness.core.devices import device_lost, pick_device
from harness.core.errors import ConfigError, LongtakeError
from harness.core.machine import num_cores, prepare_process
from harness.studies.gpu_selftest.claims import CheckResult, NotHere, NotInstalled, Verdict

if TYPE_CHECKING:
    from harness.studies.gpu_selftest.checks import Check
    from harness.studies.gpu_selftest.setup import Setup


def run_check(check: Check, setup: Setup) -> tuple[CheckResult, bool]:
    """Run one check; return its result, and whether this process can go on."""
    started = time.perf_counter()

    def result(verdict: Verdict, figure: str, **more: Any) -> CheckResult:
        return CheckResult(check.name, verdict, figure, time.perf_counter() - started, **more)

    try:
        outcome = check.run(setup)
    except NotInstalled as missing:
        return result(Verdict.not_installed, str(missing)), True
    except NotHere as reason:
        return result(Verdict.not_here, str(reason)), True
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        failed = result(
            Verdict.failed, f"{type(error).__name__}: {line}", details=traceback.format_exc()
        )
        return failed, device_lost(error) is None
    holds = all(claim.holds for claim in outcome.claims)
    verdict = Verdict.passed if holds else Verdict.failed
    return result(
        verdict, outcome.figure, claims=outcome.claims, figures=dict(outcome.figures)
    ), True


def main(arguments: Mapping[str, Any]) -> int:
    """Run the checks that the arguments name; see `runner.py`."""
    out = _own_stdout()
    module, _, name = arguments["table"].partition(":")
    table: Sequence[Check] = getattr(importlib.import_module(module), name)
    from harness.studies.gpu_selftest.setup import Setup

    prepare_process(num_cores())
    trace = arguments["trace"] and Path(arguments["trace"])
    with tempfile.TemporaryDirectory(prefix="longtake-selftest-") as folder:
        try:
            device = pick_device(arguments["device"])
        except LongtakeError as error:
            told = {"refused": str(error), "mistake": isinstance(error, ConfigError)}
            print(json.dumps(told), file=out, flush=True)
            return error.exit_code
        setup = Setup(device, Path(folder), trace)
        for check in table:
            if check.name not in arguments["names"]:
                continue
            print(json.dumps({"begun": check.name}), file=out, flush=True)
            result, goes_on = run_check(check, setup)
            print(json.dumps({"result": asdict(result)}, default=str), file=out, flush=True)
            if not goes_on:
                return 1
    return 0


def _own_stdout() -> TextIO:
    """Return a stream to standard output; what libraries print goes to standard error instead."""
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return own


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
