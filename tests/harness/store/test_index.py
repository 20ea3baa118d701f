"""The index saves opening files, and whatever happens to it changes no answer."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.core.errors import StoreError
from harness.core.typed_files import read_typed, to_line, write_typed
from harness.store import index
from harness.store.frames import load_sweep
from harness.store.index import FileIndex, check_index, record_index
from harness.store.paths import StorePaths
from harness.store.progress import read_progress
from harness.store.record import Length, Record
from harness.store.run_store import RunStore
from harness.store.summaries import RecordSummary


@dataclass(frozen=True)
class Case:
    """A store with an index of its records."""

    store: RunStore
    unit_ids: tuple[str, ...]
    index: FileIndex[Record]

    @property
    def files(self) -> list[Path]:
        """Files of the index."""
        return sorted(self.store.index_dir.glob("*.jsonl"))

    def read(self) -> dict[str, RecordSummary | StoreError]:
        return dict(self.index.read(self.unit_ids, RecordSummary))

    def expected(self) -> dict[str, RecordSummary]:
        """Summaries of the records as they are, read one by one."""
        return {
            unit_id: RecordSummary.of(read_typed(self.store.record_path(unit_id), Record))
            for unit_id in self.unit_ids
            if self.store.record_path(unit_id).is_file()
        }


@pytest.fixture
def case(tmp_path: Path, pristine_store: Path) -> Case:
    """Records alone are copied: nothing here looks at videos."""
    for path in pristine_store.glob("units/*/record.json"):
        target = tmp_path / path.relative_to(pristine_store)
        target.parent.mkdir(parents=True)
        shutil.copyfile(path, target)
    for name in ("sweep.yaml", "units.jsonl"):
        shutil.copyfile(pristine_store / name, tmp_path / name)
    store = RunStore(tmp_path)
    unit_ids = tuple(sorted({line.unit_id for line in store.unit_lines()}))
    return Case(store, unit_ids, record_index(store))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that the index opens."""
    paths: list[Path] = []

    def read(path: Path, cls: type) -> object:
        paths.append(path)
        return read_typed(path, cls)

    monkeypatch.setattr(index, "read_typed", read)
    return paths


def test_each_record_is_opened_once(case: Case, opened: list[Path]) -> None:
    assert case.read() == case.expected()
    assert len(opened) == len(case.expected()) == 35
    assert case.read() == case.expected()
    assert dict(case.index.read(case.unit_ids, Length)).keys() == case.expected().keys()
    assert len(opened) == 35


def test_whoever_writes_a_record_adds_its_line(case: Case, opened: list[Path]) -> None:
    for unit_id in case.expected():
        record = read_typed(case.store.record_path(unit_id), Record)
        case.store.write_record(replace(record, finished="now"))
    assert case.read() == case.expected()
    assert opened == []


def test_a_line_is_of_the_file_that_its_writer_wrote(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer replaces each record before the first one has added its line."""
    add = FileIndex.add

    def late(own: FileIndex[Record], unit_id: str, content: Record, *written: object) -> None:
        write_typed(case.store.record_path(unit_id), replace(content, fps=99))
        add(own, unit_id, content, *written)

    monkeypatch.setattr(FileIndex, "add", late)
    for record in [read_typed(case.store.record_path(u), Record) for u in case.expected()]:
        case.store.write_record(record)
    assert {summary.fps for summary in case.expected().values()} == {99}
    assert case.read() == case.expected()


def test_status_and_reports_open_no_record_that_is_indexed(case: Case, opened: list[Path]) -> None:
    frames = load_sweep(case.store.root).units
    progress = read_progress(case.store)
    assert progress.count("done") == 35
    opened.clear()
    assert load_sweep(case.store.root).units.equals(frames)
    assert read_progress(case.store) == progress
    assert opened == []


def lose(case: Case) -> None:
    shutil.rmtree(case.store.index_dir)


def flip(case: Case) -> None:
    for path in case.files:
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 4
        path.write_bytes(data)


def tear(case: Case) -> None:
    """A writer was killed in the middle of a line, in each file."""
    for path in case.files:
        path.write_bytes(path.read_bytes()[:-30])


def remove_a_digest(case: Case) -> None:
    for path in case.files:
        text = path.read_text().replace('"fps":16', '"fps":17')
        lines = [json.loads(line) for line in text.splitlines() if line]
        path.write_text(
            "".join(
                json.dumps({k: v for k, v in line.items() if k != "sha256"}) + "\n"
                for line in lines
            )
        )


def write_as_another_version(case: Case) -> None:
    for path in case.files:
        lines = [json.loads(line) for line in path.read_bytes().splitlines() if line]
        for line in lines:
            line["summary"].pop("setting")
        with path.open("wb") as file:
            for line in lines:
                file.write(to_line({k: v for k, v in line.items() if k != "sha256"}))


def write_in_another_layout(case: Case) -> None:
    """A summary may fit although the layout of the files, and so its meaning, has changed."""
    for path in case.files:
        lines = [json.loads(line) for line in path.read_bytes().splitlines() if line]
        with path.open("wb") as file:
            for place, line in enumerate(lines):
                line["summary"]["fps"] += 1
                schema = {"schema": Record.SCHEMA - 1} if place % 2 else {}
                kept = {k: v for k, v in line.items() if k not in ("sha256", "schema")}
                file.write(to_line(kept | schema))


def nest(case: Case) -> None:
    for path in case.files:
        path.write_bytes(b"[" * 100_000 + b"\n" + path.read_bytes())


def block(case: Case) -> None:
    """Nothing can be written there, as in the store of a colleague."""
    shutil.rmtree(case.store.index_dir)
    case.store.index_dir.write_text("")


def make_longer(case: Case) -> None:
    """A record changes behind the index's back."""
    for unit_id in case.expected():
        path = case.store.record_path(unit_id)
        path.write_text(path.read_text().replace('"num_frames": ', '"num_frames": 1'))


@pytest.mark.parametrize(
    "damage",
    [
        *(lose, flip, tear, remove_a_digest, write_as_another_version),
        *(write_in_another_layout, nest, block, make_longer),
    ],
)
def test_whatever_happens_to_the_index_the_records_count(
    case: Case, damage: Callable[[Case], None], opened: list[Path]
) -> None:
    case.read()
    damage(case)
    assert case.read() == case.expected()
    opened.clear()
    assert case.read() == case.expected()
    assert bool(opened) == (damage is block)


def test_damaged_records_are_told_from_missing_ones(case: Case) -> None:
    case.read()
    first, second, *_ = case.expected()
    case.store.record_path(first).write_text("{")
    case.store.record_path(second).unlink()
    found = case.read()
    assert second not in found
    assert isinstance(found[first], StoreError)
    assert str(case.store.record_path(first)) in str(found[first])


def test_lines_that_no_record_has_any_more_are_removed(case: Case) -> None:
    for time in range(4):
        for unit_id in case.expected():
            record = read_typed(case.store.record_path(unit_id), Record)
            case.store.write_record(replace(record, finished=f"{time}"))
    before = sum(path.stat().st_size for path in case.files)
    assert case.read() == case.expected()
    # Each record is there four times. A reader that has to add a line writes the file anew.
    for path in case.files:
        path.write_bytes(path.read_bytes() + b"torn\n")
    for unit_id in case.expected():
        path = case.store.record_path(unit_id)
        path.write_text(path.read_text() + " ")
    assert case.read() == case.expected()
    assert sum(path.stat().st_size for path in case.files) < before / 3


def test_a_killed_rewrite_is_no_damage_and_is_removed(case: Case) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = [
        case.store.index_dir / place / f".{name}-{socket.gethostname()}-{dead.pid}.jsonl"
        for place, name in (("", "records-3"), ("scores", "offline-3"))
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("torn")
    assert list(check_index(case.store)) == []
    case.store.add_command([], ["sweep"], [])
    assert not any(path.exists() for path in left)


def test_several_writers_at_once_lose_nothing(case: Case, opened: list[Path]) -> None:
    paths = [case.store.record_path(unit_id) for unit_id in case.expected()]
    records = [(read_typed(path, Record), path.stat()) for path in paths]

    def write(part: list[tuple[Record, os.stat_result]]) -> None:
        for record, written in part:
            record_index(StorePaths(case.store.root)).add(record.unit_id, record, written)

    threads = [threading.Thread(target=write, args=(records[place::4],)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert case.read() == case.expected()
    assert opened == []
