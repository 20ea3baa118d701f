"""Blind votes: the page, and the files that come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.store.frames import load_sweep
from reports.votes.ballots import Key, Pair, count_votes
from reports.votes.page import write_vote_page
from tests.reports.conftest import Opened
from tests.reports.synthetic import METHODS

PAIRS = {"p0": Pair("b", "x", "one", "two"), "p1": Pair("b", "y", "two", "one")}
KEY = Key("build", {**PAIRS, "p2": Pair("b", "x", "one", "one")})
GOOD = {"page": "build", "voter": "v1", "votes": {"p0": "left", "p1": "tie", "p2": "tie"}}


def files(tmp_path: Path, *contents: object) -> list[Path]:
    written = []
    for index, content in enumerate(contents):
        written.append(tmp_path / f"{index}.json")
        written[-1].write_text(content if isinstance(content, str) else json.dumps(content))
    return written


def test_votes_become_comparisons_without_the_checks(tmp_path: Path) -> None:
    counted = count_votes(files(tmp_path, GOOD, {**GOOD, "voter": "v2"}), KEY)
    assert (counted.num_voters, counted.left_out) == (2, {})
    first, second = counted.votes["b"][:2]
    assert (first.left, first.outcome, first.voter) == ("one", "left", "v1")
    assert (second.left, second.outcome, second.prompt) == ("two", "tie", "y")
    assert len(counted.votes["b"]) == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({**GOOD, "page": "other"}, "cast on build 'other' of the page, not on 'build'"),
        (GOOD, "its voter was counted before"),
        ({**GOOD, "voter": "v2", "votes": {"p9": "left"}}, "the page has no pair 'p9'"),
        ({**GOOD, "voter": "v2", "votes": {"p0": "both"}}, "votes"),
        ({**GOOD, "voter": "v2", "votes": {"p2": "left"}}, "different from itself in 1 of 1"),
        ({"votes": {}}, "missing required field"),
        ("{torn", "JSON"),
    ],
)
def test_file_that_does_not_count_has_a_reason(
    tmp_path: Path, content: object, reason: str
) -> None:
    counted = count_votes([*files(tmp_path, GOOD, content), tmp_path / "gone.json"], KEY)
    assert counted.num_voters == 1 and len(counted.votes["b"]) == 2
    assert reason in counted.left_out["1.json"]
    assert counted.left_out["gone.json"] == "no such file"


def test_page_is_blind_and_keeps_votes(
    pristine_store: Path, tmp_path: Path, open_page: Callable[..., Opened]
) -> None:
    out = tmp_path / "vote"
    key = write_vote_page(load_sweep(pristine_store), out, tmp_path / "key.json", 10, seed=0)
    assert len(key.pairs) == 11
    assert sum(pair.is_check for pair in key.pairs.values()) == 1
    assert {pair.group for pair in key.pairs.values()} == {"tiny_short", "tiny_long"}
    shown = (out / "data.js").read_text()
    assert not any(name in shown for name in (*METHODS, "tiny_short", "unit"))
    page = open_page(out / "index.html").page
    page.get_by_text("0 of 11").wait_for()
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="The same").click()
    page.get_by_text("2 of 11").wait_for()
    page.get_by_role("button", name="Back").click()
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    page.get_by_text("That was all").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save votes").click()
    counted = count_votes([Path(download.value.path())], key)
    assert counted.left_out == {} and sum(len(v) for v in counted.votes.values()) == 10
