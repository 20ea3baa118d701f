"""Progress of a run store, from its files alone: what is done, failed and missing."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field

from harness.core.durations import duration_name
from harness.core.errors import StoreError
from harness.store.at_work import UnitAtWork, units_at_work
from harness.store.failures import Failure
from harness.store.files import Reader
from harness.store.header import Header, lost_beside_others
from harness.store.index import record_index, scores_index
from harness.store.lines import UnitLine
from harness.store.outcomes import unfinished
from harness.store.processes import Process, running_processes
from harness.store.record import Length
from harness.store.run_store import RunStore
from harness.store.summaries import ScoresSummary

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
        at_work: the units that they are at.
        lost_lines: how many lines units.jsonl lacks; None if it has all.
    """

    rows: tuple[RowProgress, ...]
    suites: tuple[SuiteProgress, ...]
    failures: dict[str, str]
    labels: dict[str, str]
    processes: tuple[Process, ...] = field(default=())
    at_work: tuple[UnitAtWork, ...] = field(default=())
    lost_lines: str | None = None

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
    header, lines = store.header(), store.unit_lines()
    processes = tuple(running_processes(store))
    reader = Reader(store.root)
    states, failures = {}, {}
    asked_s = _longest_s(lines, header)
    lengths = dict(record_index(store).read(asked_s, Length))
    for unit_id, longest_s in asked_s.items():
        state, reason = _state(reader, store, unit_id, longest_s, lengths.get(unit_id))
        # Saved progress is only running if a process is at work.
        states[unit_id] = "missing" if state == "running" and not processes else state
        if state == "failed":
            failures[unit_id] = reason
    rows: dict[tuple[str, str], Counter[str]] = {}
    for line in lines:
        rows.setdefault(line.row, Counter())[states[line.unit_id]] += 1
    done = [unit_id for unit_id, state in states.items() if state == "done"]
    suites = []
    for suite in _suites(store, header):
        asked_s = _longest_s(lines, header, suite)
        of_done = {unit_id: (asked_s[unit_id], lengths[unit_id]) for unit_id in done}
        suites.append(_suite(store, suite, of_done, failures))
    return Progress(
        rows=tuple(RowProgress(*row, dict(counts)) for row, counts in rows.items()),
        suites=tuple(suites),
        failures=failures,
        labels=_labels(lines),
        processes=processes,
        at_work=tuple(units_at_work(store.claims_dir)),
        lost_lines=lost_beside_others(store.header_path, header, len(lines)) if header else None,
    )


def _labels(lines: list[UnitLine]) -> dict[str, str]:
    return {line.unit_id: line.label for line in lines}


def _longest_s(
    lines: list[UnitLine], header: Header | None, suite: str | None = None
) -> dict[str, float]:
    """Return the seconds that each unit has to reach, in a suite or as a video."""
    of_row = header.longest_s(suite) if header else {}
    found: dict[str, float] = {}
    for line in lines:
        found[line.unit_id] = max(found.get(line.unit_id, 0.0), of_row.get(line.row, 0.0))
    return found


def _state(
    reader: Reader,
    store: RunStore,
    unit_id: str,
    longest_s: float,
    length: Length | StoreError | None,
) -> tuple[str, str]:
    """Return the state of a unit, and the reason where it isn't done.

    Args:
        reader: of the store.
        store: the sweep.
        unit_id: the unit.
        longest_s: seconds that it has to reach.
        length: that of its video; None if there is none yet.
    """
    if length is None:
        failed = store.first_failure_path(unit_id)
    else:
        if isinstance(length, StoreError):
            return "failed", f"{store.record_path(unit_id).name} cannot be read"
        if not longest_s or reaches(length, longest_s):
            return "done", ""
        # It is to be made longer. Failures of its scores, as it is, are those of a suite.
        making = store.failure_path(unit_id)
        failed = making if making.is_file() else None
    found = unfinished(reader, unit_id, failed)
    return found["status"], found["reason"]


def reaches(length: Length, duration_s: float) -> bool:
    """Return whether a video has that many seconds; imported files are never made longer."""
    return length.num_latents is None or length.frames_of(duration_s) is not None


def _suites(store: RunStore, header: Header | None) -> list[str]:
    asked = {suite for command in header.commands for suite in command.suites} if header else set()
    return sorted(asked | set(store.suites()))


def _suite(
    store: RunStore,
    suite: str,
    done: dict[str, tuple[float, Length | StoreError]],
    failures: dict[str, str],
) -> SuiteProgress:
    """Count the scores of a suite and add those that failed to `failures`.

    Args:
        store: the sweep.
        suite: name of the suite.
        done: finished units, with the seconds that the suite has to score and their lengths.
        failures: reasons by item, to which those of the suite are added.
    """
    scored = dict(scores_index(store, suite).read(done, ScoresSummary))
    reader, counts = Reader(store.root), Counter[str]()
    name, units_dir = store.failure_path(f"{suite}:any").name, str(store.units_dir)
    for unit_id, (longest_s, length) in done.items():
        # It comes first: a metric that failed leaves the scores of the others in a file.
        if os.path.isfile(f"{units_dir}/{unit_id}/{name}"):  # noqa: PTH113 - of a million
            failure = reader.read(store.unit_dir(unit_id) / name, Failure)
            failures[f"{suite}:{unit_id}"] = failure.error if failure else "cannot be read"
            counts["failed"] += 1
        elif unit_id in scored and _is_scored(scored[unit_id], longest_s, length):
            counts["done"] += 1
        else:
            counts["missing"] += 1
    return SuiteProgress(suite, counts["done"], counts["failed"], counts["missing"])


def _is_scored(
    scores: ScoresSummary | StoreError, longest_s: float, length: Length | StoreError
) -> bool:
    """Return whether the score file of a unit holds the longest duration that the video has."""
    if isinstance(scores, StoreError) or isinstance(length, StoreError):
        return False
    if not longest_s:  # no command asked for this suite: `eval` did
        return True
    # An imported video may be shorter.
    is_shorter = length.frames_of(longest_s) is None
    return is_shorter or duration_name(longest_s) in scores.durations_frames
