"""Accessibility of every page, light and dark, wide and narrow, by our own checks.

The rules are those of WCAG 2.2 that a program can check: names, structure, keyboard, target size
and contrast. The first tests show that each rule finds its violations.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.reports.conftest import Opened, wait_until_drawn

CHECK = (Path(__file__).parent / "accessibility.js").read_text()
Open = Callable[..., Opened]

ROUTES = {
    "front": "",
    "differences to the baseline": "?mode=differences",
    "compare": "compare?t=30",
    "video": "video?id=tiny_long-rag-p1-0&t=20",
    "methods": "methods",
    "method": "methods?name=random",
    "videos": "videos",
    "sources": "sources",
    "differences": "differences",
}

GOOD = '<html lang="en"><title>x</title><body><main><h1>A</h1>{}</main></body></html>'
BAD = {
    "<button></button>": "has no name",
    '<a href="#x"><img src="data:," alt=""></a>': "has no name",
    '<input type="search">': "has no name",
    '<img src="data:,">': "picture without alt",
    "<svg width=9 height=9></svg>": "drawing neither hidden nor named",
    "<table><tr><th>a</th><td>1</td></tr></table>": "table without heads",
    '<p aria-hidden="true"><a href="#">x</a></p>': "hidden from readers",
    "<h3>x</h3>": "heading jumps from 1 to 3",
    "<h1>x</h1>": "2 headings of level 1",
    '<i id="a">x</i><b id="a">x</b>': "id a is used twice",
    '<p aria-labelledby="nothing">x</p>': "aria-labelledby names nothing",
    '<p role="region" aria-label="R">x</p><p role="region" aria-label="R">x</p>': "two regions",
    '<p tabindex="2">x</p>': "changes the order of tabs",
    '<p style="overflow: auto; width: 50px; white-space: nowrap">long long long</p>': "scrolls",
    '<button style="padding: 0; height: 10px">name</button>': "target of",
    '<p style="color: #999; background: #fff">x</p>': "contrast 2.85 of 4.5",
}


@pytest.mark.parametrize(("markup", "said"), BAD.items())
def test_each_rule_finds_what_it_is_for(scratch: Page, markup: str, said: str) -> None:
    scratch.set_content(GOOD.format(markup))
    found = scratch.evaluate(CHECK)
    assert any(said in complaint for complaint in found), found


def test_good_page_has_no_complaint(scratch: Page) -> None:
    scratch.set_content(GOOD.format("<p>text</p><button style='min-height: 30px'>Go on</button>"))
    assert scratch.evaluate(CHECK) == []


@pytest.fixture(scope="module")
def scratch(browser: Browser) -> Page:
    return browser.new_page()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(open_page: Open, index: Path, width: int, scheme: str) -> None:
    settings = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    page = open_page(index, **settings).page
    for name, route in ROUTES.items():
        page.goto(f"{index.as_uri()}#/{route}")
        wait_until_drawn(page, route)
        assert page.evaluate(CHECK) == [], name
    page.goto(f"{index.as_uri()}#/")
    page.locator("#leaderboard .cell").first.click()
    page.locator("#dialog tbody tr").first.wait_for()
    assert page.evaluate(CHECK) == [], "dialog"


def test_whole_way_by_keyboard(open_page: Open, index: Path) -> None:
    """From the first tab to a playing comparison without a mouse; the focus is always visible."""
    page = open_page(index).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached: list[str] = []
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''"))
        outline = page.evaluate(
            "((node) => getComputedStyle(node.matches('.segmented input')"
            " ? node.nextElementSibling : node).outlineStyle)(document.activeElement)"
        )
        assert outline != "none", reached
        if reached[-1].startswith("Compare ") and len([r for r in reached if "Compare" in r]) <= 2:
            page.keyboard.press("Space")
        if page.locator(".compare-bar a").is_visible():
            break
    page.locator(".compare-bar a").focus()
    page.keyboard.press("Enter")
    page.locator(".card video").first.wait_for()  # until then there is nothing to play
    assert page.evaluate("document.activeElement.id") == "page"
    page.keyboard.press("Space")
    page.locator("#play[aria-pressed=true]").wait_for()
