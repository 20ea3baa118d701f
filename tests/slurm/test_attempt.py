from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from harness.events import Event, EventKind
from slurm.attempt import Attempt, AttemptFile, Ending, count_tries, read_attempts


def attempt(item: str, saved: int = 0, **fields: object) -> Attempt:
    return Attempt("1", "host", "n1", 1, 0.0, 0.0, item=item, saved=saved, **fields)  # type: ignore[arg-type]


def test_a_killed_attempt_counts_for_the_item_it_was_at() -> None:
    assert count_tries([attempt("a"), attempt("a"), attempt("b")], {}) == {"a": 2, "b": 1}


def test_an_attempt_that_saved_more_starts_the_count_anew() -> None:
    preempted = [attempt("a", saved, ending=Ending.stopped) for saved in (0, 2, 4, 6)]
    assert count_tries(preempted, {}) == {"a": 1}
    stuck = [attempt("a", saved, ending=Ending.stopped) for saved in (0, 2, 2, 2)]
    assert count_tries(stuck, {}) == {"a": 3}


def test_a_finished_attempt_counts_for_what_failed_in_it_only() -> None:
    ended = attempt("b", failed=("a",), ending=Ending.finished)
    assert count_tries([ended, ended], {"a": 1}) == {"a": 3}


def test_dying_while_loading_counts_for_no_item() -> None:
    assert count_tries([attempt(""), attempt("")], {}) == {"": 2}


def test_an_item_is_on_disk_before_it_is_begun(tmp_path: Path) -> None:
    file = AttemptFile(tmp_path, "12_3", {"a": 5})
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
    assert abs(ended.clock_ahead_s) < 5


def test_a_damaged_attempt_is_left_out(tmp_path: Path) -> None:
    AttemptFile(tmp_path, "1", {})
    (tmp_path / "002-x-1.json").write_text("{")
    (tmp_path / "003-x-1.json").write_text(json.dumps({"job_id": "1"}))
    assert len(read_attempts(tmp_path)) == 1
