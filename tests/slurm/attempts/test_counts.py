from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.attempts.attempt import Attempt, Beside, Ending
from slurm.attempts.counts import AttemptCounts, count_attempts, read_counts, write_counts

ITEMS = ("a", "b", "offline:a")


def attempt(item: str, saved: int = 0, **fields: object) -> Attempt:
    return Attempt("1", "host", "n1", 1, 0.0, 0.0, item=item, saved=saved, **fields)  # type: ignore[arg-type]


def counts_of(
    attempts: Iterable[Attempt],
    before: Mapping[str, AttemptCounts] | None = None,
    saved_now: int = 0,
) -> dict[str, AttemptCounts]:
    return count_attempts(attempts, ITEMS, before or {}, lambda item: saved_now)


def unsuccessful(
    attempts: Iterable[Attempt],
    before: Mapping[str, AttemptCounts] | None = None,
    saved_now: int = 0,
) -> dict[str, int]:
    """Return the number of unsuccessful attempts of each item that has any."""
    counts = counts_of(attempts, before, saved_now)
    return {item: count.unsuccessful for item, count in counts.items() if count.unsuccessful}


def test_a_killed_attempt_counts_against_its_item() -> None:
    assert unsuccessful([attempt("a"), attempt("a"), attempt("b")]) == {"a": 2, "b": 1}


def test_items_that_were_killed_in_step_are_not_blamed_before_one_is_killed_alone(
    tmp_path: Path,
) -> None:
    together = attempt("a", beside=(Beside("b", 0, 0),))
    counts = counts_of([together])
    assert counts == {"a": AttemptCounts(in_step=1), "b": AttemptCounts(in_step=1)} | {
        "offline:a": AttemptCounts()
    }
    write_counts(tmp_path / "00000.json", counts)  # as for the next submission
    before = read_counts(tmp_path / "00000.json")
    assert unsuccessful([attempt("b")], before) == {"b": 1}
    # At the time limit, without anything saved, both have failed to get on.
    stopped = attempt("a", ending=Ending.stopped, beside=(Beside("b", 0, 0),))
    assert unsuccessful([stopped]) == {"a": 1, "b": 1}
    failed = attempt("a", failed=("a",), beside=(Beside("b", 0, 0),))
    assert counts_of([failed])["a"] == AttemptCounts(failed=1)


def test_progress_resets_the_count() -> None:
    preempted = [attempt("a", saved, ending=Ending.stopped) for saved in (0, 2, 4, 6)]
    assert unsuccessful(preempted) == {"a": 1}
    stuck = [attempt("a", saved, ending=Ending.stopped) for saved in (0, 2, 2, 2)]
    assert unsuccessful(stuck) == {"a": 3}


def test_being_preempted_never_counts() -> None:
    """Neither with a signal, long before the time limit, nor without: SLURM starts it once more."""
    asked = [attempt("a", ending=Ending.preempted) for _ in range(5)]
    assert unsuccessful(asked) == {}
    killed = [attempt("a", restarts=number) for number in range(5)]
    assert unsuccessful(killed) == {"a": 1}  # the last one: nothing says yet that it was preempted
    loading = [attempt("", restarts=number) for number in range(5)]
    assert unsuccessful(loading) == dict.fromkeys(ITEMS, 1)
    ran_out = [attempt("a", ending=Ending.stopped, restarts=number) for number in range(3)]
    assert unsuccessful(ran_out) == {"a": 3}


def test_progress_of_the_newest_attempt_is_what_is_saved_now() -> None:
    assert unsuccessful([attempt("a", 0, ending=Ending.stopped)], saved_now=1) == {}
    assert unsuccessful([attempt("a", 3), attempt("a", 3)], saved_now=3) == {"a": 2}


def test_scoring_progresses_clip_by_clip() -> None:
    assert unsuccessful([attempt("offline:a", amount=amount) for amount in (3, 7, 9)]) == {}
    assert unsuccessful([attempt("offline:a", amount=amount) for amount in (3, 7, 7, 5)]) == {
        "offline:a": 2
    }


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 4))
def test_items_that_progress_in_every_attempt_are_never_abandoned(
    steps: list[int], per_submission: int
) -> None:
    """However many submissions the attempts are spread over, videos and scores alike."""
    saved = [sum(steps[:place]) for place in range(len(steps) + 1)]
    counts: dict[str, AttemptCounts] = {}
    for first in range(0, len(steps), per_submission):
        places = range(first, min(first + per_submission, len(steps)))
        videos = [attempt("a", saved[place], ending=Ending.stopped) for place in places]
        scores = [attempt("offline:a", amount=saved[place + 1]) for place in places]
        counts = counts_of([*videos, *scores], counts, saved[places[-1] + 1])
        assert not any(count.unsuccessful for count in counts.values())


def test_progress_of_an_earlier_submission_is_not_counted_twice() -> None:
    """Stuck where an earlier submission left it."""
    counts = counts_of([attempt("offline:a", amount=5)])
    assert unsuccessful([attempt("offline:a", saved=5, amount=5)] * 2, counts) == {"offline:a": 2}


def test_a_finished_attempt_counts_only_against_items_that_failed() -> None:
    ended = attempt("b", failed=("a",), ending=Ending.finished)
    assert unsuccessful([ended, ended], {"a": AttemptCounts(failed=1)}) == {"a": 3}


def test_a_recorded_failure_counts_in_spite_of_progress() -> None:
    failing = attempt("a", failed=("a",), ending=Ending.finished)
    assert unsuccessful([failing, failing], saved_now=9) == {"a": 2}


def test_deaths_while_loading_count_against_every_item_until_one_attempt_loads() -> None:
    dead = attempt("")
    assert unsuccessful([dead, dead], saved_now=9) == dict.fromkeys(ITEMS, 2)
    assert unsuccessful([dead, dead, attempt("b")]) == {"b": 1}
    assert unsuccessful([attempt("b")], counts_of([dead, dead])) == {"b": 1}
    assert unsuccessful([dead, attempt("", ending=Ending.finished)]) == {}


def test_being_stopped_while_loading_does_not_count() -> None:
    assert unsuccessful([attempt("", ending=Ending.stopped)] * 5) == {}


def test_counts_are_saved_beside_the_shard_file(tmp_path: Path) -> None:
    path = tmp_path / "00001.json"
    assert read_counts(path) == {}
    saved = {"a": AttemptCounts(1, 2, 3, 4), "offline:a": AttemptCounts(saved=7)}
    write_counts(path, saved)
    assert read_counts(path) == saved


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (AttemptCounts(stuck=3), "3 ended without progress"),
        (
            AttemptCounts(failed=1, stuck=1, loading=2),
            "1 failed, 2 died while loading, 1 ended without",
        ),
    ],
)
def test_counts_as_text(counts: AttemptCounts, text: str) -> None:
    assert str(counts).startswith(text)
