"""Own metrics on the page: beside the columns of a suite over the same videos, or else apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from reports.site.build import build_report
from tests.reports.conftest import PAGE_ONLY, Opened, data_of


def add_own_metric(store: Path, suite: str = "Brightness") -> Path:
    """Score all videos with an own metric, which has the numbers of "subject"."""
    folder = store / "metrics" / suite
    folder.mkdir()
    for path in (store / "metrics" / "offline").iterdir():
        content = json.loads(path.read_text()) | {"suite": suite}
        subject = content["metrics"]["subject"]
        names = {"name": "brightness", "title": "Mean brightness", "kind": "own metric"}
        subject["info"] |= names
        content["metrics"] = {"brightness": subject}
        (folder / path.name).write_text(json.dumps(content))
    return folder


def test_an_own_metric_stands_beside_a_suite_over_the_same_videos(
    store: Path, open_page: Callable[..., Opened]
) -> None:
    add_own_metric(store)
    index = build_report(store, options=PAGE_ONLY).index
    (board,) = data_of(index, "site")["boards"]
    assert board["suite"] == "offline"
    own = board["metrics"][-1]
    assert (own["title"], own["suite"]) == ("Mean brightness", "Brightness")
    assert board["headings"][-1] == {"title": "Own metric", "metrics": ["brightness"]}
    subject = board["metrics"][0]["cells"]
    assert (own["cells"]["mean"], own["cells"]["p"]) == (subject["mean"], subject["p"])
    assert own["cells"]["rank"] == subject["rank"]
    page = open_page(index).page
    page.locator("#leaderboard tbody tr").nth(1).locator(".cell").last.click()
    page.locator("#dialog tbody tr").nth(5).wait_for()
    assert "Your own metric Brightness" in page.locator("#dialog").inner_text()
    assert page.locator("#dialog tbody a", has_text="scores").count() == 6


def test_an_own_metric_over_other_videos_has_a_table_of_its_own(store: Path) -> None:
    folder = add_own_metric(store)
    (folder / "tiny_short-random-p0-0.json").unlink()
    boards = data_of(build_report(store, options=PAGE_ONLY).index, "site")["boards"]
    assert [board["suite"] for board in boards] == ["Brightness", "offline"]


def test_columns_of_one_board_have_different_names(store: Path) -> None:
    add_own_metric(store)
    add_own_metric(store, "Light")
    boards = data_of(build_report(store, options=PAGE_ONLY).index, "site")["boards"]
    assert sorted(board["suite"] for board in boards) == ["Light", "offline"]
    for board in boards:
        names = [metric["name"] for metric in board["metrics"]]
        assert len(names) == len(set(names))
        under = [name for heading in board["headings"] for name in heading["metrics"]]
        assert sorted(under) == sorted(names)
