"""Progress of a run store, from its files alone: what is done, failed and missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from harness.store.failures import Failure
from harness.store.files import Reader
from harness.store.header import Header
from harness.store.lines import UnitLine
from harness.store.outcomes import read_unit
from harness.store.processes import Process, running_processes
from harness.store.run_store import RunStore

STATES = ("done", "running", "failed", "missing")


@dataclass(frozen=True)
class RowProgress:
    """The units of one row by state."""

    backbone: str
    method: str
    counts: dict[str, int]


@dataclass(frozen=True)
class SuiteProgress:
    """The scores of the finished videos by one suite."""

    suite: str
    done: int
    failed: int
    missing: int


@dataclass(frozen=True)
class Progress:
    """The progress of one sweep.

    Attributes:
        rows: in the order of the sweep.
        suites: those that its commands asked for or that have scores.
        failures: why items failed: units, or "suite:unit" for their scores.
        labels: readable names of units.
        processes: those that work on it now.
    """

    rows: tuple[RowProgress, ...]
    suites: tuple[SuiteProgress, ...]
    failures: dict[str, str]
    labels: dict[str, str]
    processes: tuple[Process, ...] = field(default=())

    def count(self, state: str) -> int:
        """Return the number of units in a state, each row's counted."""
        return sum(row.counts.get(state, 0) for row in self.rows)

    @property
    def num_units(self) -> int:
        """Return the number of units of all rows."""
        return sum(self.count(state) for state in STATES)

    @property
    def is_complete(self) -> bool:
        """Return whether nothing is left to do, failed or not."""
        return not self.count("missing") and not any(suite.missing for suite in self.suites)


def read_progress(store: RunStore) -> Progress:
    """Read the progress of a sweep.

    Raises:
        StoreError: the folder is not a run store.
    """
    lines, header = store.unit_lines(), store.header()
    processes = tuple(running_processes(store))
    reader = Reader(store.root)
    states, failures = {}, {}
    for unit_id in dict.fromkeys(line.unit_id for line in lines):
        state, reason = _state(reader, store, unit_id)
        # Saved progress is only running if a process is at work.
        states[unit_id] = "missing" if state == "running" and not processes else state
        if state == "failed":
            failures[unit_id] = reason
    rows: dict[tuple[str, str], Counter[str]] = {}
    for line in lines:
        rows.setdefault(line.row, Counter())[states[line.unit_id]] += 1
    done = [unit_id for unit_id, state in states.items() if state == "done"]
    suites = [_suite(store, suite, done, failures) for suite in _suites(store, header)]
    return Progress(
        rows=tuple(RowProgress(*row, dict(counts)) for row, counts in rows.items()),
        suites=tuple(suites),
        failures=failures,
        labels=_labels(lines),
        processes=processes,
    )


def _labels(lines: list[UnitLine]) -> dict[str, str]:
    return {line.unit_id: line.label for line in lines}


def _state(reader: Reader, store: RunStore, unit_id: str) -> tuple[str, str]:
    if store.record_path(unit_id).is_file():
        return "done", ""
    fields = read_unit(reader, unit_id).fields
    return str(fields["status"]), str(fields["reason"])


def _suites(store: RunStore, header: Header | None) -> list[str]:
    asked = {suite for command in header.commands for suite in command.suites} if header else set()
    return sorted(asked | set(store.suites()))


def _suite(store: RunStore, suite: str, done: list[str], failures: dict[str, str]) -> SuiteProgress:
    """Count the scores of a suite and add those that failed to `failures`."""
    scored = {path.stem for path in store.suite_dir(suite).glob("*.json")}
    reader, counts = Reader(store.root), Counter[str]()
    for unit_id in done:
        path = store.failure_path(f"{suite}:{unit_id}")
        # It comes first: a metric that failed leaves the scores of the others in a file.
        if path.is_file():
            failure = reader.read(path, Failure)
            failures[f"{suite}:{unit_id}"] = failure.error if failure else "cannot be read"
            counts["failed"] += 1
        else:
            counts["done" if unit_id in scored else "missing"] += 1
    return SuiteProgress(suite, counts["done"], counts["failed"], counts["missing"])
