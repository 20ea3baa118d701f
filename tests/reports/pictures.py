"""The pictures of the documentation, of the site of a finished demo sweep.

make demo
python -m tests.reports.pictures runs/demo docs
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.reports.conftest import FLAGS

WIDTH, HEIGHT = 1280, 900
ROWS = "&".join(f"row=street%7C{name}" for name in ("sliding_window", "rag", "street_oracle"))


def top(page: Page, below: str) -> dict[str, float]:
    """The page from its top down to the end of an element."""
    box = page.locator(below).bounding_box()
    assert box is not None
    return {"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"] + 16}


def main() -> None:
    """Take all pictures."""
    index, docs = Path(sys.argv[1]).resolve() / "report" / "index.html", Path(sys.argv[2])
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(index.as_uri())
        page.locator("#recall circle").first.wait_for()
        page.wait_for_timeout(500)  # pictures are decoded when they come near the window
        page.screenshot(path=docs / "leaderboard.png", full_page=True, clip=top(page, ".findings"))
        page.locator("#recall").screenshot(path=docs / "street_recall.png")
        page.locator("#laps").screenshot(path=docs / "street_laps.png")
        page.goto(f"{index.as_uri()}#/compare?{ROWS}&t=13")
        page.locator(".card video").nth(2).wait_for()
        page.wait_for_timeout(1500)
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=docs / "side_by_side.png", full_page=True, clip=top(page, "#chart"))
        browser.close()


if __name__ == "__main__":
    main()
