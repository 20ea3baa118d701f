"""The page in a real browser: Debian's chromium, driven by playwright, opened from file://."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Page as BrowserPage

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Opened:
    """The page, and everything it complained about or asked for."""

    page: BrowserPage
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("chromium is missing: apt-get install -y --no-install-recommends chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, index: Path) -> Iterator[Opened]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    opened = Opened(page)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("console", lambda message: opened.complaints.append(message.text))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.goto(index.as_uri())
    yield opened
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    page.close()


def shown_methods(page: BrowserPage) -> list[str]:
    heads = page.locator(".leaderboard tbody:not([hidden]) tr:not([hidden]) th").all()
    return [head.inner_text().replace("†", "").strip() for head in heads]


def click_head(page: BrowserPage, title: str) -> str | None:
    page.locator(".leaderboard thead button", has_text=title).click()
    head = page.locator(".leaderboard thead th", has_text=title)
    return head.get_attribute("aria-sort")


def test_click_on_a_head_sorts_best_first_then_turns(opened: Opened) -> None:
    assert click_head(opened.page, "Flicker") == "ascending"
    assert shown_methods(opened.page)[:2] == ["sliding_window"] * 2
    assert click_head(opened.page, "Flicker") == "descending"
    assert shown_methods(opened.page)[:2] == ["rag layout=aged"] * 2
    assert click_head(opened.page, "Subject") == "descending"
    assert shown_methods(opened.page)[:2] == ["rag layout=aged"] * 2
    assert opened.page.locator("th[aria-sort]").count() == 1


def test_rows_without_a_value_are_last_in_both_orders(opened: Opened) -> None:
    for _ in range(2):
        click_head(opened.page, "Retrieval hits")
        assert shown_methods(opened.page)[-2:] == ["sliding_window"] * 2


def test_keyboard_sorts(opened: Opened) -> None:
    opened.page.locator(".leaderboard thead button", has_text="Method").focus()
    opened.page.keyboard.press("Enter")
    methods = shown_methods(opened.page)
    assert methods == sorted(methods)


def test_filters(opened: Opened) -> None:
    page = opened.page
    assert len(shown_methods(page)) == 6
    body = page.locator(".leaderboard tbody:not([hidden])")
    assert body.get_attribute("data-duration") == "60"
    page.locator("#filters label", has_text="30 s").click()
    assert body.get_attribute("data-duration") == "30"
    page.locator("#backbone-filter").select_option("tiny_long")
    assert len(shown_methods(page)) == 3
    page.locator("#backbone-filter").select_option("")
    assert len(shown_methods(page)) == 6


def test_tooltip_gives_the_reason_on_focus(opened: Opened) -> None:
    tip = opened.page.locator("#tip")
    assert not tip.is_visible()
    opened.page.locator(".leaderboard tbody:not([hidden]) [data-tip^='No value']").first.focus()
    assert tip.inner_text() == "No value: needs weights that are not installed"
    opened.page.keyboard.press("Escape")
    assert not tip.is_visible()


def wait_until_videos(page: BrowserPage, condition: str) -> None:
    """Wait until every video `v` meets the JavaScript condition.

    Asked from here, because the page's own policy forbids playwright to poll inside it by eval.
    """
    every = f"[...document.querySelectorAll('video')].every((v) => {condition})"
    for _ in range(300):
        if page.evaluate(every):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"not all videos came to: {condition}")


def test_play_runs_all_videos_together(opened: Opened) -> None:
    page = opened.page
    wait_until_videos(page, "v.readyState >= 1")
    page.locator("#play").click()
    wait_until_videos(page, "!v.paused && v.currentTime > 0.5")
    times = page.evaluate("[...document.querySelectorAll('video')].map((v) => v.currentTime)")
    assert len(times) == 6
    assert max(times) - min(times) < 0.5
    page.locator("#play").click()
    assert page.evaluate("[...document.querySelectorAll('video')].every((v) => v.paused)")
    assert page.locator("#play").inner_text() == "Play"


def test_scrub_moves_videos_cursor_and_values(opened: Opened) -> None:
    page = opened.page
    wait_until_videos(page, "v.readyState >= 1")
    before = page.locator(".value output").first.inner_text()
    page.locator("#scrub").fill("40")
    wait_until_videos(page, "Math.abs(v.currentTime - 40) < 0.1")
    assert page.locator("#clock").inner_text() == "40.0 / 59.8 s"
    assert page.locator(".value output").first.inner_text() != before
    assert "retrieved: " in page.locator(".memory").first.inner_text()


def test_click_in_the_chart_goes_to_that_time(opened: Opened) -> None:
    page = opened.page
    wait_until_videos(page, "v.readyState >= 1")
    box = page.locator("#chart svg").bounding_box()
    assert box is not None
    page.locator("#chart svg").click(position={"x": box["width"] / 2, "y": 50})
    assert 25 < float(page.locator("#scrub").input_value()) < 35


def test_videos_are_muted_and_load_only_metadata(opened: Opened) -> None:
    videos = opened.page.locator("video").all()
    assert len(videos) == 6
    for video in videos:
        assert video.evaluate("(v) => v.muted && v.playsInline && v.preload === 'metadata'")
        assert video.get_attribute("aria-label")


def test_failed_unit_shows_why_and_nasty_prompt_stays_text(
    opened: Opened, nasty_prompt: str
) -> None:
    page = opened.page
    page.locator("#prompt").select_option("2")
    page.locator("#seed").select_option("1")
    assert page.locator("#prompt-text").inner_text() == nasty_prompt
    assert page.locator("video").count() == 5
    absent = page.locator(".absent").inner_text()
    assert absent == "No video (failed): RuntimeError: out of <memory>"
    assert page.evaluate("window.hacked") is None


def test_one_backbone_and_another_metric(opened: Opened) -> None:
    page = opened.page
    page.locator("#viewer-backbone").select_option("tiny_short")
    assert page.locator("video").count() == 3
    page.locator("#metric").select_option(label="Retrieval hits")
    assert page.locator("#chart .curve").count() == 3
    assert page.locator(".value output").first.inner_text() == "\N{EN DASH}"
    page.locator("#metric").select_option(label="Text alignment")
    assert page.locator("#chart").inner_text().startswith("No curve of Text alignment")


@pytest.mark.parametrize("width", [390, 1440])
def test_page_is_not_wider_than_the_screen(opened: Opened, width: int) -> None:
    opened.page.set_viewport_size({"width": width, "height": 844})
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
