"""A page says when there is nothing left to draw, so that nobody looks too early."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route

from tests.reports.conftest import Opened, wait_until_drawn


@pytest.mark.parametrize("late", ["data/drift.js", "strips/"])
def test_what_comes_late_is_waited_for(index: Path, browser: Browser, late: str) -> None:
    page = browser.new_page()
    held: list[Route] = []
    page.route(f"**/{late}**", lambda route: held.append(route))
    page.goto(f"{index.as_uri()}#/", wait_until="commit")
    page.locator("#leaderboard tbody tr").first.wait_for()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    while not held:
        page.evaluate("new Promise(requestAnimationFrame)")
    # Two frames: what is drawn in one says so in the next.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.locator("html[data-drawn]").count() == 0
    for route in held:
        route.continue_()
    wait_until_drawn(page, "")
    page.close()


def test_pages_without_content_are_drawn_too(open_page: Callable[..., Opened], index: Path) -> None:
    page = open_page(index).page
    for route in (
        "nowhere",
        "video?id=tiny_long-random-p2-1",
        "methods?name=unknown",
        "compare?row=unknown",
    ):
        page.goto(f"{index.as_uri()}#/{route}")
        wait_until_drawn(page, route)
