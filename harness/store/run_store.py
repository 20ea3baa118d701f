"""The run store: one folder per sweep, whose files are the only state.

A unit is done when its record exists; the record is written last. Unfinished units keep chunks of
clean latents, from which a later run resumes. Several workers may write the same unit: every file
is put in place by an atomic rename, and the content of a unit is always the same.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from eval.scoring.results import Scores
from harness.core.environment import code_revision, package_versions
from harness.core.errors import StoreError
from harness.core.files import locked, remove_leftovers, replacing, write_text
from harness.core.typed_files import from_line, read_typed, to_line, write_typed
from harness.store.failures import Failure
from harness.store.header import Command, Header, read_header, write_header
from harness.store.index import record_index, scores_index
from harness.store.lines import UnitLine
from harness.store.paths import StorePaths
from harness.store.record import Record, VideoFile, now
from harness.store.saved_latents import SavedLatents
from harness.store.summaries import RecordSummary

if TYPE_CHECKING:
    from torch import Tensor

    from harness.store.units import Unit


class HasLine(Protocol):
    """An item of a table row: a unit to generate or a video to import."""

    @property
    def line(self) -> UnitLine: ...


class RunStore(StorePaths):
    """Reads and writes the folder of one sweep; the first write creates it."""

    def begun_units(self) -> set[str]:
        """Return the ids of all units that have a folder, with a single directory listing."""
        try:
            return {path.name for path in self.units_dir.iterdir()}
        except FileNotFoundError:
            return set()

    def record(self, unit_id: str) -> Record | None:
        """Return the record of a finished unit; None if there is none or it can't be read."""
        try:
            return read_typed(self.record_path(unit_id), Record)
        except (OSError, StoreError):
            return None

    def finished(self, unit: Unit) -> Record | None:
        """Return the record of a unit if it is long enough and its video is the recorded one."""
        record = self.record(unit.id)
        if record is None:
            return None
        made = RecordSummary.of(record)
        return record if made.is_whole(unit.num_latents, self.unit_dir(unit.id)) else None

    def write_record(self, record: Record) -> None:
        """Declare a unit done, after all its other files were written."""
        written = write_typed(self.record_path(record.unit_id), record)
        record_index(self).add(record.unit_id, record, written)
        self.clear_failure(record.unit_id)
        shutil.rmtree(self.partial_dir(record.unit_id), ignore_errors=True)

    def discard_record(self, record: Record) -> None:
        """Remove the record of a unit whose video is missing or not the recorded one.

        A record that another worker wrote in the meantime is kept.
        """
        path = self.unit_dir(record.unit_id) / record.video.file
        intact = path.is_file() and VideoFile.of(path).sha256 == record.video.sha256
        if not intact and self.record(record.unit_id) == record:
            self.record_path(record.unit_id).unlink(missing_ok=True)

    def remove_leftovers(self, unit_id: str) -> None:
        """Remove temporary files of processes of this machine that died while writing."""
        remove_leftovers(self.unit_dir(unit_id))

    def remove_scoring_leftovers(self) -> None:
        """Remove such files of processes that died while scoring."""
        remove_leftovers(self.metrics_dir)
        remove_leftovers(self.workspace)

    def scores(self, suite: str, unit_id: str) -> Scores | None:
        """Return the scores of a unit; None if there are none or they can't be read."""
        try:
            return read_typed(self.scores_path(suite, unit_id), Scores)
        except (OSError, StoreError):
            return None

    def write_scores(self, scores: Scores) -> None:
        """Save the scores of a unit."""
        written = write_typed(self.scores_path(scores.suite, scores.unit_id), scores)
        scores_index(self, scores.suite).add(scores.unit_id, scores, written)

    def failure(self, item: str) -> Failure | None:
        """Return the failure of the last attempt at an item; None if it did not fail.

        Raises:
            StoreError: the report of the failure is damaged.
        """
        try:
            return read_typed(self.failure_path(item), Failure)
        except FileNotFoundError:
            return None

    def clear_failure(self, item: str) -> None:
        """Delete the failure report of an item."""
        self.failure_path(item).unlink(missing_ok=True)

    def write_failure(self, item: str, error: str, details: str) -> None:
        """Record the failure of an item: one line, and the traceback or the worker's output."""
        write_typed(self.failure_path(item), Failure.of(error, details))

    def save_chunk(
        self, unit_id: str, first_frame: int, latents: Tensor, trace: Sequence[str]
    ) -> None:
        """Save clean latents of an unfinished unit, with the plans of their blocks."""
        from safetensors import SafetensorError

        path = self.chunk_path(unit_id, first_frame)
        for attempt in (1, 2):
            try:
                SavedLatents(unit_id, first_frame, latents, tuple(trace)).write(path)
                return
            except (FileNotFoundError, SafetensorError):
                # Another worker may have finished this unit and removed the folder in the meantime.
                if attempt == 2 or path.parent.is_dir():
                    raise

    def save_latents(self, unit_id: str, latents: Tensor, trace: Sequence[str]) -> None:
        """Save all latents and plans of a unit that is about to be recorded."""
        write_text(self.trace_path(unit_id), "".join(f"{line}\n" for line in trace))
        SavedLatents(unit_id, 0, latents, tuple(trace)).write(self.latents_path(unit_id))

    def saved_progress(self, unit_id: str, on_damage: Callable[[str], None]) -> SavedLatents | None:
        """Return the saved clean latents and their plans; None if there are none.

        Files are used up to the first damaged one; the blocks after it are generated again.

        Args:
            unit_id: the unit.
            on_damage: called with a line about each file that cannot be used.
        """
        import torch

        parts: list[SavedLatents] = []
        num_latents = 0
        files = [(0, self.latents_path(unit_id))]
        files += [(int(path.stem), path) for path in self.chunk_paths(unit_id)]
        for first_frame, path in files:
            if first_frame < num_latents:
                continue  # contained in a longer chunk or the complete file
            if first_frame > num_latents:
                break
            try:
                parts.append(SavedLatents.read(path, unit_id, first_frame))
            except FileNotFoundError:
                continue
            except StoreError as error:
                on_damage(str(error))
                continue
            num_latents += len(parts[-1].latents)
        if not parts:
            return None
        trace = tuple(line for part in parts for line in part.trace)
        return SavedLatents(unit_id, 0, torch.cat([part.latents for part in parts]), trace)

    def add_command(
        self, units: Iterable[HasLine], argv: Sequence[str], configs: Sequence[dict[str, Any]]
    ) -> list[str]:
        """Add a command and its units; a repeated command only updates its time.

        Returns:
            A text for each part of sweep.yaml and units.jsonl that was damaged and is dropped, or
            is lost.
        """
        command = Command(now(), tuple(argv), tuple(configs), str(Path.cwd()))
        damaged: list[str] = []
        with locked(self.lock_path):
            remove_leftovers(self.root, below=False)
            remove_leftovers(self.index_dir)
            try:
                before = self.header()
            except StoreError as error:
                before = None
                damaged.append(f"{error} Its earlier commands are forgotten; run them again.")
            others = [c for c in before.commands if c.argv != command.argv] if before else []
            # The lines come first: a header that was written knows of lines that are there.
            num_lines = self._add_lines(list(units), before, damaged)
            header = Header(
                name=before.name if before else self.root.name,
                created=before.created if before else command.time,
                commands=(*others, command),
                revision=code_revision(),
                versions=package_versions(),
                num_lines=num_lines,
            )
            write_header(self.header_path, header)
        return damaged

    def header(self) -> Header | None:
        """Return the header; None if there is none.

        Raises:
            StoreError: it is damaged.
        """
        try:
            return read_header(self.header_path)
        except FileNotFoundError:
            return None

    def unit_lines(self) -> list[UnitLine]:
        """Return all units ever requested in this sweep, one line per unit and row.

        Raises:
            StoreError: the folder is not a run store, or units.jsonl is damaged.
        """
        return list(self._lines())

    def labels(self) -> dict[str, str]:
        """Return a readable name for each unit of this sweep, by its id.

        Raises:
            StoreError: the folder is not a run store, or units.jsonl is damaged.
        """
        return {line.unit_id: line.label for line in self._lines()}

    def _lines(self) -> Iterator[UnitLine]:
        path = self.unit_lines_path
        if not path.is_file():
            raise StoreError(f"{self.root} is not a run store (it has no {path.name}).")
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        yield from_line(line, UnitLine, f"{path}, line {number}")
        except StoreError as error:
            raise StoreError(f"{error} Run the sweep command again to repair it.") from error

    def durations_s(self) -> list[float]:
        """Return all durations that the commands of this sweep requested, in seconds.

        Raises:
            StoreError: the header is damaged.
        """
        header = self.header()
        return header.durations_s if header else []

    def _add_lines(self, new: Sequence[HasLine], before: Header | None, damaged: list[str]) -> int:
        """Add lines, and remove damaged ones and those of rows whose labels changed their meaning.

        Lines are made, read and written one by one: a sweep may have a million.

        Args:
            new: items of the lines to add.
            before: the header as it is; where lines become fewer, it gets their number first.
            damaged: a text for each damaged line, and for those that are lost, is added to it.

        Returns:
            Number of lines that the file has now.
        """
        # After an edit of a plug-in the same labels have another row id. With the old lines kept,
        # one row would average two methods.
        now_means: dict[tuple[str, str], str] = {}
        places: dict[tuple[int, str, int], int] = {}  # of the newest line of each cell
        rows: dict[tuple[str, str, str], int] = {}
        for place, item in enumerate(new):
            line = item.line
            now_means[line.row] = line.row_id
            places[_key(line, rows)] = place
        written: set[int] = set()
        num_kept = 0
        with replacing(self.unit_lines_path) as fresh, fresh.open("wb") as file:
            for line in self._readable_lines(before, damaged):
                if now_means.get(line.row, line.row_id) == line.row_id:
                    place = places.get(_key(line, rows), -1)
                    if place not in written:
                        file.write(to_line(new[place].line if place >= 0 else line))
                    if place >= 0:
                        written.add(place)
                    else:
                        num_kept += 1
            for place in places.values():
                if place not in written:
                    file.write(to_line(new[place].line))
            num_lines = num_kept + len(places)
            if before and before.num_lines is not None and num_lines < before.num_lines:
                # Killed between both files, a store has more lines than it knows of, never fewer.
                write_header(self.header_path, replace(before, num_lines=num_lines))
        return num_lines

    def _readable_lines(self, before: Header | None, damaged: list[str]) -> Iterator[UnitLine]:
        path = self.unit_lines_path
        num_found = 0
        if path.is_file():
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if not line.strip():
                        continue
                    num_found += 1
                    try:
                        yield from_line(line, UnitLine, f"{path}, line {number}")
                    except StoreError as error:
                        damaged.append(f"{error} Dropped; the command it is of writes it again.")
        if lost := before and before.lost_lines(num_found):
            damaged.append(f"{path}: {lost}; the commands they are of write them again.")


def _key(line: UnitLine, rows: dict[tuple[str, str, str], int]) -> tuple[int, str, int]:
    """Return a short key of a line; a newer line with the same key replaces the older one.

    Args:
        line: the line.
        rows: numbers of the rows met so far, which grows.
    """
    row = rows.setdefault((*line.row, line.row_id), len(rows))
    return row, sys.intern(line.prompt_id), line.seed
