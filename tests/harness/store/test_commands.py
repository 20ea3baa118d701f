"""A killed command, and one beside another, leave no line that seems lost; lost ones are said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.core.typed_files import from_plain
from harness.store.frames import load_sweep
from harness.store.lines import UnitLine
from harness.store.progress import read_progress
from harness.store.run_store import RunStore
from harness.store.verify import verify_store


@dataclass(frozen=True)
class Item:
    """An item of a row."""

    line: UnitLine


def items(num: int, row_id: str = "before") -> list[Item]:
    return [
        Item(UnitLine(f"{row_id}-{i}", "b", "m", f"set/{i}", "p", "p", 0, row_id))
        for i in range(num)
    ]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A store of four units."""
    store = RunStore(tmp_path / "main")
    assert store.add_command(items(4), ["first"], []) == []
    return store


def damage(store: RunStore) -> None:
    lines = store.unit_lines_path.read_bytes().splitlines(keepends=True)
    store.unit_lines_path.write_bytes(b"".join([*lines[:-1], b"{torn\n"]))


def edit_nothing(store: RunStore) -> None:
    """The row gets other ids by the command itself."""


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("last", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("prepare", "new"),
    [(edit_nothing, items(2, "edited")), (damage, []), (edit_nothing, items(6))],
    ids=["a row shrinks", "a damaged line is dropped", "a row grows"],
)
def test_a_command_killed_between_its_files_loses_no_line(
    store: RunStore,
    prepare: Callable[[RunStore], None],
    new: list[Item],
    last: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare(store)
    replace, done = Path.replace, []

    def until_killed(path: Path, target: Path) -> Path:
        if len(done) == last - 1:
            raise Killed
        done.append(target)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", until_killed)
    try:
        store.add_command(new, ["second"], [])
    except Killed:
        monkeypatch.undo()
    else:
        assert last > 2
    header = store.header()
    assert header is not None
    found = len(store.unit_lines_path.read_bytes().splitlines())
    assert header.lost_lines(found) is None
    monkeypatch.undo()
    store.add_command(new, ["second"], [])
    header = store.header()
    assert header is not None and header.num_lines == len(store.unit_lines())


@pytest.mark.parametrize("left", [0, 1, None])
def test_the_next_command_says_which_lines_are_lost(store: RunStore, left: int | None) -> None:
    path = store.unit_lines_path
    if left is None:
        path.unlink()
    else:
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:left]))
    (text,) = store.add_command(items(1, "other"), ["second"], [])
    reason = f"{4 - (left or 0)} of 4 lines are missing: removed by hand, or lost"
    assert text == f"{path}: {reason}; the commands they are of write them again."
    assert store.add_command(items(1, "other"), ["second"], []) == []


READERS: dict[str, Callable[[RunStore], object]] = {
    "status": lambda store: read_progress(store).lost_lines,
    "report": lambda store: [text for text in load_sweep(store.root).warnings if "lines" in text],
    "verify": lambda store: [
        fault for fault in verify_store(store, 1, lambda *_: None) if "lines" in fault.reason
    ],
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("new", [items(6), items(2, "edited")], ids=["grows", "shrinks"])
def test_a_row_that_changes_beside_a_reader_makes_no_line_seem_lost(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, reader: str, new: list[Item]
) -> None:
    """The other command does its work once the reader has read the header."""
    others = iter([new])

    def reading(*arguments: Any) -> Any:
        found = from_plain(*arguments)
        for items in others:
            RunStore(store.root).add_command(items, ["second"], [])
        return found

    monkeypatch.setattr("harness.store.header.from_plain", reading)
    assert not READERS[reader](store)
    assert not list(others), "the other command has done its work"
    assert len(store.unit_lines()) == len(new)
    store.unit_lines_path.write_bytes(b"")
    assert READERS[reader](store), "and lines that are lost are named"
