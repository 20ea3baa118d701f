"""Blind votes: the page, and the files that come back."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from harness.core.errors import ConfigError
from harness.store.frames import load_sweep
from reports.votes.ballots import Key, Pair, ballot_files, count_votes
from reports.votes.collect import VoteServer
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
    key = write_vote_page(load_sweep(pristine_store), out, tmp_path, 10, seed=0)
    assert len(key.pairs) == 11
    assert sum(pair.is_check for pair in key.pairs.values()) == 1
    assert {pair.group for pair in key.pairs.values()} == {"tiny_short", "tiny_long"}
    shown = (out / "data.js").read_text()
    assert not any(name in shown for name in (*METHODS, "tiny_short", "unit"))
    page = open_page(out / "index.html").page
    page.get_by_text("0 of 11").wait_for()
    page.keyboard.press("ArrowLeft")
    page.get_by_text("1 of 11").wait_for()
    page.get_by_role("button", name="Back").click()  # the page draws the order: it may be the check
    page.get_by_role("button", name="The same").click()
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    page.get_by_text("That was all").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save votes").click()
    counted = count_votes([Path(download.value.path())], key)
    assert counted.left_out == {} and sum(len(v) for v in counted.votes.values()) == 10


def ask(server: VoteServer, body: object, **headers: str) -> tuple[int, str]:
    """Send a ballot as the page does, but for the given headers, and return status and text."""
    address = f"127.0.0.1:{server.server_address[1]}"
    connection = http.client.HTTPConnection(address, timeout=20)
    path = headers.pop("path", "/votes")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, content, {"Origin": f"http://{address}"} | headers)
    response = connection.getresponse()
    found = response.status, response.read().decode()
    connection.close()
    return found


@pytest.fixture
def collecting(pristine_store: Path, tmp_path: Path) -> Iterator[VoteServer]:
    """A server that collects votes on a page of two pairs and a check."""
    write_vote_page(load_sweep(pristine_store), tmp_path / "vote", tmp_path, 2, seed=0)
    with VoteServer(tmp_path, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_votes_of_the_page_are_collected_and_counted(
    collecting: VoteServer, browser: Browser
) -> None:
    page = browser.new_page()
    page.goto(collecting.address)
    page.get_by_text("0 of 3").wait_for()
    assert page.get_by_role("button", name="Send votes").count() == 0
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="Send votes").click()
    page.get_by_text("Your votes are saved.").wait_for()
    (file,) = collecting.votes.glob("*.json")
    content = json.loads(file.read_text())
    assert set(content) <= {
        "schema",
        "sha256",
        "page",
        "voter",
        "votes",
    }  # nothing about the person
    counted = count_votes(ballot_files([collecting.votes]), collecting.key)
    assert counted.num_voters == 1 and counted.left_out == {}
    page.reload()
    page.get_by_role("button", name="Send votes").click()
    page.get_by_text("Not saved: its voter was counted before").wait_for()
    assert page.get_by_role("button", name="Send votes").is_enabled()
    assert len(list(collecting.votes.glob("*.json"))) == 1
    page.close()


def test_ballots_that_would_not_count_are_not_kept(
    collecting: VoteServer, capfd: pytest.CaptureFixture[str]
) -> None:
    key, voter = collecting.key, "0123456789abcdef"
    good = {"page": key.page, "voter": voter, "votes": dict.fromkeys(key.pairs, "tie")}
    (check,) = (name for name, pair in key.pairs.items() if pair.is_check)
    for body, reason in (
        (good | {"page": "other"}, "cast on build 'other'"),
        (good | {"voter": "../key"}, "not a number that the page draws"),
        (good | {"votes": {}}, "no votes"),
        (good | {"votes": {"p9": "tie"}}, "no pair 'p9'"),
        (good | {"votes": {check: "left"}}, "different from itself"),
        (good | {"votes": {"p0": "both"}}, "votes"),
        (b"{torn", "JSON"),
    ):
        status, text = ask(collecting, body)
        assert status == 409 and reason in text
    assert ask(collecting, good, Origin="http://evil.example")[0] == 403
    assert ask(collecting, good, Host="evil.example")[0] == 403
    assert ask(collecting, good, path="/index.html")[0] == 404
    assert ask(collecting, b"", **{"Content-Length": str(1 << 30)})[0] == 413
    assert ask(collecting, b"", **{"Content-Length": "9" * 5000})[0] == 413
    assert ask(collecting, good, Origin="http://[bad")[0] == 400
    assert capfd.readouterr().err == "", "the address of a voter is printed nowhere"
    assert not collecting.votes.exists()
    assert ask(collecting, good | {"name": "Ann", "mail": "a@b.example"}) == (201, "kept")
    assert ask(collecting, good) == (409, "its voter was counted before")
    (file,) = collecting.votes.glob("*.json")
    assert "Ann" not in file.read_text() and "example" not in file.read_text()
    connection = http.client.HTTPConnection("127.0.0.1", collecting.server_address[1], timeout=20)
    for private in ("/vote_key.json", "/../vote_key.json", "/../votes/", "/votes"):
        connection.request("GET", private)
        response = connection.getresponse()
        response.read()
        assert response.status == 404


def test_a_page_that_is_made_again_while_it_is_served_collects_its_own_votes(
    collecting: VoteServer, pristine_store: Path, tmp_path: Path
) -> None:
    old = collecting.key
    new = write_vote_page(load_sweep(pristine_store), tmp_path / "vote", tmp_path, 2, seed=1)
    assert new.page != old.page
    ballots = [
        {"page": key.page, "voter": voter * 16, "votes": dict.fromkeys(key.pairs, "tie")}
        for key, voter in ((old, "0"), (new, "1"))
    ]
    assert ask(collecting, ballots[0])[0] == 409
    assert ask(collecting, ballots[1]) == (201, "kept")
    (tmp_path / "vote_key.json").unlink()
    status, reason = ask(collecting, ballots[1])
    assert status == 409 and str(tmp_path) not in reason


def test_a_page_of_another_build_than_the_key_is_not_served(
    pristine_store: Path, tmp_path: Path
) -> None:
    sweep = load_sweep(pristine_store)
    write_vote_page(sweep, tmp_path / "vote", tmp_path, 2, seed=0)
    write_vote_page(sweep, tmp_path / "elsewhere", tmp_path, 2, seed=1)
    with pytest.raises(ConfigError, match="the key beside it is that of build"):
        VoteServer(tmp_path, port=0)
    (tmp_path / "vote" / "data.js").write_text("longtakeVote(torn")
    with pytest.raises(ConfigError, match="shows build None of the page"):
        VoteServer(tmp_path, port=0)


def test_a_server_without_a_page_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make the page first"):
        VoteServer(tmp_path, port=0)
