"""The index: a summary of each record and each file of scores, so that lists open few of them.

```
<sweep>/index/records-3.jsonl                 a line per record; the digit is of the unit's id
<sweep>/index/scores/<suite>-3.jsonl          a line per file of scores
```

Whoever writes a file appends a line with its size, its time of change, the version of its layout
and a summary. A reader takes the summary if size and time are still those of the file and the
version is its own, and otherwise opens the file and appends the line.
So a lost, damaged or incomplete index costs time and changes nothing, and no lock is needed: two
writers at once may tear a line, whose digest then does not fit.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from eval.scoring.results import Scores
from harness.core.errors import StoreError
from harness.core.files import replacing
from harness.core.typed_files import from_line, read_typed, to_line
from harness.store.paths import StorePaths
from harness.store.record import Record
from harness.store.summaries import RecordSummary, ScoresSummary

F = TypeVar("F", Record, Scores)  # the type of the files
P = TypeVar("P")  # a part of their summary


@dataclass(frozen=True)
class _Line:
    """A line: the file of a unit as it was, and its summary."""

    unit_id: str
    bytes: int
    mtime_ns: int
    summary: msgspec.Raw
    schema: int | None = None

    def is_of(self, stat: os.stat_result, schema: int) -> bool:
        """Return whether it was made of this state of the file, read in this layout."""
        made_of = self.bytes, self.mtime_ns, self.schema
        return made_of == (stat.st_size, stat.st_mtime_ns, schema)


@dataclass(frozen=True)
class FileIndex(Generic[F]):
    """The index of one kind of file, of which a unit has at most one.

    Attributes:
        stem: path of the index files, without their digit.
        prefix: path of the file of a unit, before the unit's id.
        suffix: the rest of that path. Both are texts, as objects of paths take most of the time.
        cls: type of the files.
        summary_of: returns what the index keeps of a file.
    """

    stem: Path
    prefix: str
    suffix: str
    cls: type[F]
    summary_of: Callable[[F], object]

    def add(self, unit_id: str, content: F, written: os.stat_result) -> None:
        """Add the line of a file that was just written; the next reader does it if this fails.

        Args:
            unit_id: the unit.
            content: of the file.
            written: its size and time as it was written; another writer may have replaced it.
        """
        with contextlib.suppress(OSError):
            self._append(_place(unit_id), [to_line(self._line(unit_id, written, content))])

    def read(self, unit_ids: Iterable[str], part: type[P]) -> Iterator[tuple[str, P | StoreError]]:
        """Yield the summaries of those of the units that have a file, in no particular order.

        Args:
            unit_ids: units.
            part: dataclass with those fields of the summary that are wanted.

        Yields:
            The unit, and the part or why its file can't be read.
        """
        for members in in_parts(unit_ids):
            yield from self._read(_place(members[0]), members, part)

    def _read(
        self, place: int, unit_ids: Iterable[str], part: type[P]
    ) -> Iterator[tuple[str, P | StoreError]]:
        lines, num_useless = self._lines(place)
        fresh: list[_Line] = []
        for unit_id in unit_ids:
            try:
                stat = self._stat(unit_id)
            except OSError:
                continue
            line = lines.get(unit_id)
            found: P | None = None
            if line and line.is_of(stat, self.cls.SCHEMA):
                with contextlib.suppress(msgspec.MsgspecError):  # of another version
                    found = msgspec.json.decode(line.summary, type=part)
            if found is None:
                try:
                    content = read_typed(Path(f"{self.prefix}{unit_id}{self.suffix}"), self.cls)
                except FileNotFoundError:  # a running sweep replaces and removes files
                    continue
                except StoreError as error:
                    yield unit_id, error
                    continue
                num_useless += line is not None
                line = self._line(unit_id, stat, content)
                lines[unit_id] = line
                fresh.append(line)
                found = msgspec.json.decode(line.summary, type=part)
            yield unit_id, found
        with contextlib.suppress(OSError):  # a colleague may only read the store
            if num_useless > len(lines):
                with replacing(self._path(place), durable=False) as path, path.open("wb") as file:
                    file.writelines(map(to_line, lines.values()))
            elif fresh:
                self._append(place, map(to_line, fresh))

    def _stat(self, unit_id: str) -> os.stat_result:
        return os.stat(f"{self.prefix}{unit_id}{self.suffix}")  # noqa: PTH116

    def _line(self, unit_id: str, stat: os.stat_result, content: F) -> _Line:
        summary = msgspec.Raw(msgspec.json.encode(self.summary_of(content)))
        return _Line(unit_id, stat.st_size, stat.st_mtime_ns, summary, self.cls.SCHEMA)

    def _lines(self, place: int) -> tuple[dict[str, _Line], int]:
        """Return the newest line of each unit, and how many lines are older or damaged."""
        lines: dict[str, _Line] = {}
        num_lines = 0
        with contextlib.suppress(OSError), self._path(place).open("rb") as file:
            for text in file:
                if not text.strip():
                    continue
                num_lines += 1
                with contextlib.suppress(StoreError):
                    line = from_line(text, _Line, "index", sealed=True)
                    lines[line.unit_id] = line
        return lines, num_lines - len(lines)

    def _append(self, place: int, lines: Iterable[bytes]) -> None:
        path = self._path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        # In one call, so that lines of several writers do not mix. The line break before them ends
        # what a writer that was killed may have left.
        with path.open("ab", buffering=0) as file:
            file.write(b"\n" + b"".join(lines))

    def _path(self, place: int) -> Path:
        return self.stem.with_name(f"{self.stem.name}-{place:x}.jsonl")


_NUM_FILES = 16


def in_parts(unit_ids: Iterable[str]) -> list[list[str]]:
    """Return the units by the index file that they are in: what to read and forget at a time."""
    found: dict[int, list[str]] = defaultdict(list)
    for unit_id in unit_ids:
        found[_place(unit_id)].append(unit_id)
    return list(found.values())


def _place(unit_id: str) -> int:
    return zlib.crc32(unit_id.encode()) % _NUM_FILES


def record_index(paths: StorePaths) -> FileIndex[Record]:
    """Return the index of the records of a sweep."""
    stem = paths.index_dir / "records"
    prefix, suffix = str(paths.record_path("\0")).split("\0")
    return FileIndex(stem, prefix, suffix, Record, RecordSummary.of)


def scores_index(paths: StorePaths, suite: str) -> FileIndex[Scores]:
    """Return the index of the scores of a suite."""
    stem = paths.index_dir / "scores" / suite
    prefix, suffix = str(paths.scores_path(suite, "\0")).split("\0")
    return FileIndex(stem, prefix, suffix, Scores, ScoresSummary.of)


def check_index(paths: StorePaths) -> Iterator[tuple[Path, str]]:
    """Yield the files of the index that have damaged lines, with the reason of the first."""
    for path in sorted(paths.index_dir.rglob("[!.]*.jsonl")):  # others are being written
        with path.open("rb") as file:
            for number, text in enumerate(file, start=1):
                try:
                    if text.strip():
                        from_line(text, _Line, f"line {number}", sealed=True)
                except StoreError as error:
                    yield path, str(error)
                    break
