from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from harness.core.events import Event, EventKind
from slurm.attempts.attempt import Attempt, AttemptFile, Beside, Ending, read_attempts


def test_the_item_is_on_disk_before_work_on_it_starts(tmp_path: Path) -> None:
    begun_at = time.time()
    file = AttemptFile(tmp_path, "12_3", {"a": 5})
    took_s = time.time() - begun_at
    file.show(Event(EventKind.loading, text="tiny"))
    (before,) = read_attempts(tmp_path)
    assert (before.item, before.ending) == ("", Ending.none)
    file.show(Event(EventKind.progress, "a", amount=0))
    (begun,) = read_attempts(tmp_path)
    assert (begun.item, begun.saved, begun.pid) == ("a", 5, os.getpid())
    assert begun.host == socket.gethostname()
    file.show(Event(EventKind.failed, "a", text="no"))
    file.show(Event(EventKind.done, "b"))
    file.end(Ending.finished)
    (ended,) = read_attempts(tmp_path)
    assert (ended.failed, ended.num_done, ended.ending) == (("a",), 1, Ending.finished)
    assert abs(ended.clock_ahead_s) <= took_s + 0.1  # a file system rounds its clock


def test_of_items_in_step_the_latest_is_followed_and_the_others_stand_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    file = AttemptFile(tmp_path, "1", {"b": 2}, batch=2)

    def shown(item: str, amount: int, kind: EventKind = EventKind.progress) -> Attempt:
        nonlocal now
        now += 3
        file.show(Event(kind, item, amount))
        file.end(Ending.none)
        (attempt,) = read_attempts(tmp_path)
        return attempt

    shown("a", 0)
    begun = shown("b", 0)
    assert (begun.item, begun.saved, begun.beside) == ("b", 2, (Beside("a", 0, 0),))
    shown("a", 3)
    later = shown("b", 3)
    assert (later.amount, later.item_started, later.beside) == (3, 1006.0, (Beside("a", 3, 0),))
    # Another process takes b over, which no event tells: its place is that of the next one.
    assert shown("a", 6).beside == (Beside("b", 3, 2),)
    shown("a", 9, EventKind.done)
    shown("c", 0)
    last = shown("d", 0)
    assert (last.item, last.num_done, last.beside) == ("d", 1, (Beside("c", 0, 0),))


def test_a_damaged_attempt_is_skipped(tmp_path: Path) -> None:
    AttemptFile(tmp_path, "1", {})
    (tmp_path / "002-x-1.json").write_text("{")
    (tmp_path / "003-x-1.json").write_text(json.dumps({"job_id": "1"}))
    assert len(read_attempts(tmp_path)) == 1


@pytest.mark.parametrize(("item", "replayed"), [("a", True), ("offline:a", False)])
def test_the_clock_of_an_item_starts_after_what_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, item: str, replayed: bool
) -> None:
    """Videos report what they replay; of scores the progress of earlier attempts is known."""
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    file = AttemptFile(tmp_path, "1", {item: 6})
    for amount, after_s in ((0, 1), (3, 1), (6, 1), (9, 20)):
        now += after_s
        file.show(Event(EventKind.progress, item, amount, replayed=replayed and 0 < amount <= 6))
    file.end(Ending.stopped)
    (attempt,) = read_attempts(tmp_path)
    assert (attempt.amount, attempt.replayed, attempt.item_started) == (9, 6, 1003.0)
