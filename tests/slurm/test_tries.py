from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.attempt import Attempt, Ending
from slurm.tries import Tried, count_tries, read_tried, write_tried

ITEMS = ("a", "b", "offline:a")


def attempt(item: str, saved: int = 0, **fields: object) -> Attempt:
    return Attempt("1", "host", "n1", 1, 0.0, 0.0, item=item, saved=saved, **fields)  # type: ignore[arg-type]


def tries_of(
    attempts: Iterable[Attempt], before: Mapping[str, Tried] | None = None, saved_now: int = 0
) -> dict[str, Tried]:
    return count_tries(attempts, ITEMS, before or {}, lambda item: saved_now)


def vain(
    attempts: Iterable[Attempt], before: Mapping[str, Tried] | None = None, saved_now: int = 0
) -> dict[str, int]:
    """Attempts in vain of each item that has any."""
    tries = tries_of(attempts, before, saved_now)
    return {item: tried.num_vain for item, tried in tries.items() if tried.num_vain}


def test_a_killed_attempt_counts_for_the_item_it_was_at() -> None:
    assert vain([attempt("a"), attempt("a"), attempt("b")]) == {"a": 2, "b": 1}


def test_an_attempt_that_saved_more_starts_the_count_anew() -> None:
    preempted = [attempt("a", saved, ending=Ending.stopped) for saved in (0, 2, 4, 6)]
    assert vain(preempted) == {"a": 1}
    stuck = [attempt("a", saved, ending=Ending.stopped) for saved in (0, 2, 2, 2)]
    assert vain(stuck) == {"a": 3}


def test_the_newest_attempt_is_measured_by_what_is_saved_now() -> None:
    assert vain([attempt("a", 0, ending=Ending.stopped)], saved_now=1) == {}
    assert vain([attempt("a", 3), attempt("a", 3)], saved_now=3) == {"a": 2}


def test_scoring_gets_further_clip_by_clip() -> None:
    assert vain([attempt("offline:a", amount=amount) for amount in (3, 7, 9)]) == {}
    assert vain([attempt("offline:a", amount=amount) for amount in (3, 7, 7, 5)]) == {
        "offline:a": 2
    }


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 4))
def test_what_gets_further_in_every_attempt_is_never_given_up(
    steps: list[int], per_submission: int
) -> None:
    """However many submissions the attempts are spread over, videos and scores alike."""
    saved = [sum(steps[:place]) for place in range(len(steps) + 1)]
    tries: dict[str, Tried] = {}
    for first in range(0, len(steps), per_submission):
        places = range(first, min(first + per_submission, len(steps)))
        videos = [attempt("a", saved[place], ending=Ending.stopped) for place in places]
        scores = [attempt("offline:a", amount=saved[place + 1]) for place in places]
        tries = tries_of([*videos, *scores], tries, saved[places[-1] + 1])
        assert not any(tried.num_vain for tried in tries.values())


def test_progress_of_an_earlier_submission_is_not_counted_twice() -> None:
    """Stuck where an earlier submission left it."""
    tries = tries_of([attempt("offline:a", amount=5)])
    assert vain([attempt("offline:a", saved=5, amount=5)] * 2, tries) == {"offline:a": 2}


def test_a_finished_attempt_counts_for_what_failed_in_it_only() -> None:
    ended = attempt("b", failed=("a",), ending=Ending.finished)
    assert vain([ended, ended], {"a": Tried(failed=1)}) == {"a": 3}


def test_failing_with_a_reason_counts_whatever_was_saved() -> None:
    failing = attempt("a", failed=("a",), ending=Ending.finished)
    assert vain([failing, failing], saved_now=9) == {"a": 2}


def test_dying_while_loading_counts_for_every_item_until_a_start_gets_past_it() -> None:
    dead = attempt("")
    assert vain([dead, dead], saved_now=9) == dict.fromkeys(ITEMS, 2)
    assert vain([dead, dead, attempt("b")]) == {"b": 1}
    assert vain([attempt("b")], tries_of([dead, dead])) == {"b": 1}
    assert vain([dead, attempt("", ending=Ending.finished)]) == {}


def test_being_stopped_while_loading_is_nobodys_fault() -> None:
    assert vain([attempt("", ending=Ending.stopped)] * 5) == {}


def test_counts_are_noted_beside_the_shard_file(tmp_path: Path) -> None:
    path = tmp_path / "00001.json"
    assert read_tried(path) == {}
    noted = {"a": Tried(1, 2, 3, 4), "offline:a": Tried(saved=7)}
    write_tried(path, noted)
    assert read_tried(path) == noted


@pytest.mark.parametrize(
    ("tried", "text"),
    [
        (Tried(stuck=3), "3 ended without getting any further"),
        (Tried(failed=1, stuck=1, loading=2), "1 failed, 2 died while loading, 1 ended without"),
    ],
)
def test_the_kinds_of_attempts_are_told(tried: Tried, text: str) -> None:
    assert str(tried).startswith(text)
