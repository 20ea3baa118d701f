"""The opening of the front page, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from reports.site.build import build_report
from tests.reports.conftest import PAGE_ONLY, Opened

Open = Callable[..., Opened]


@pytest.fixture
def front(open_page: Open, index: Path) -> Page:
    return open_page(index).page


def test_recall_by_age_is_drawn_with_a_line_per_method(front: Page) -> None:
    panels = front.locator("#recall figure")
    panels.first.locator("circle").first.wait_for()
    assert panels.locator("figcaption").all_inner_texts() == ["tiny_short", "tiny_long"]
    assert panels.first.locator(".curve").count() == 3
    assert panels.first.locator("circle").count() == 6  # after 6 and 12 s
    panels.first.locator("circle").last.hover()
    said = front.locator("#tip").inner_text()
    assert said == "random after 12 s: 0.33, 1 prompt, 2 videos; no interval: too few prompts."


def test_page_of_metrics_without_ages_has_no_recall(open_page: Open, store: Path) -> None:
    for path in (store / "metrics/offline").iterdir():
        content = json.loads(path.read_text())
        content["metrics"]["subject"]["parts"] = {}
        path.write_text(json.dumps(content))
    page = open_page(build_report(store, options=PAGE_ONLY).index).page
    page.locator("#leaderboard table").wait_for()
    assert page.locator("#recall").count() == 0
