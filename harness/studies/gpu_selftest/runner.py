"""Runs checks in worker processes, each check within its own time limit."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError, DeviceError, unknown_name
from harness.studies.gpu_selftest.claims import CheckResult, Claim, Verdict

if TYPE_CHECKING:
    from harness.studies.gpu_selftest.checks import Check

TABLE = "harness.studies.gpu_selftest.checks:CHECKS"
_ROOT = Path(__file__).parents[3]
_WORKER = "harness.studies.gpu_selftest.worker"
_START_LIMIT_S = 180  # importing torch from a slow disk, and waking the device
_KILL_LIMIT_S = 10
_LOG_CHARS = 4000


@dataclass(frozen=True)
class Run:
    """Checks to run, and where.

    Attributes:
        device: auto, cpu, cuda or cuda:N.
        checks: the checks, in order.
        table: "module:name" of the table that they are of.
        trace: where to write the profile, if anywhere.
    """

    device: str
    checks: tuple[Check, ...]
    table: str = TABLE
    trace: Path | None = None


def chosen(table: Sequence[Check], quick: bool, only: Sequence[str]) -> tuple[Check, ...]:
    """Return the checks to run.

    Raises:
        UnknownName: a check that does not exist.
    """
    names = [check.name for check in table]
    for name in only:
        if name not in names:
            raise unknown_name("check", name, names)
    if only:
        return tuple(check for check in table if check.name in only)
    return tuple(check for check in table if check.quick or not quick)


def run_checks(run: Run) -> Iterator[CheckResult]:
    """Yield the result of every check when it ends.

    Raises:
        ConfigError: no name of a device.
        DeviceError: the device cannot be used.
    """
    left = list(run.checks)
    while left:
        with _Worker(run, [check.name for check in left]) as worker:
            while left and (result := worker.result_of(left[0])) is not None:
                left.pop(0)
                yield result


class _Worker:
    """One worker process; a context manager that ends it."""

    def __init__(self, run: Run, names: list[str]) -> None:
        arguments = {
            "device": run.device,
            "names": names,
            "table": run.table,
            "trace": str(run.trace) if run.trace else None,
        }
        self._log = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed by __exit__
            "w+", prefix="longtake-selftest-"
        )
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", _WORKER, json.dumps(arguments)],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._ended, self._num_results = False, 0

    def result_of(self, check: Check) -> CheckResult | None:
        """Wait for the result of the next check, within its limit; None after the last one here."""
        if self._ended:
            return None
        started = time.perf_counter()
        begun = self._next(_START_LIMIT_S)
        if self._ended and self._num_results:  # it lost the device during the check before
            return None
        if begun is not None and "refused" in begun:
            raise (ConfigError if begun["mistake"] else DeviceError)(begun["refused"])
        if begun is not None and "begun" in begun:
            started = time.perf_counter()
            told = self._next(check.limit_s)
            if told is not None:
                self._num_results += 1
                return _read_result(told["result"])
        seconds = time.perf_counter() - started
        if self._ended:
            status = self._process.wait()
            reason = f"the process ended with status {status}: {self._last_line()}"
        else:
            reason = f"not done after {seconds:.0f} s"
        self._kill()
        return CheckResult(
            check.name, Verdict.failed, reason, seconds, details=self._printed()[-_LOG_CHARS:]
        )

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._log.close()

    def _next(self, limit_s: float) -> dict[str, Any] | None:
        """Return the next line; None if it is not there in time, or none will come."""
        try:
            line = self._lines.get(timeout=limit_s)
        except queue.Empty:
            return None
        self._ended = line is None
        return line

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # a driver may hold a killed process
            self._process.wait(timeout=_KILL_LIMIT_S)
        self._ended = True

    def _printed(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    def _last_line(self) -> str:
        lines = self._printed().strip().splitlines()
        return lines[-1] if lines else "no message"


def _read_result(found: dict[str, Any]) -> CheckResult:
    claims = tuple(Claim(**claim) for claim in found.pop("claims"))
    return CheckResult(verdict=Verdict(found.pop("verdict")), claims=claims, **found)
