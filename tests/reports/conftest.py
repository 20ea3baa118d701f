"""Run stores and pages that the tests of this room share."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from reports.site.build import ReportOptions, ReportPaths, build_report
from tests.reports.synthetic import METHODS, write_store, write_video

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
PAGE_ONLY = ReportOptions(papers=False)
"""Plots take longest and are tested by themselves."""


@pytest.fixture(scope="session")
def pristine_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run store for all tests; do not change it."""
    root = tmp_path_factory.mktemp("runs")
    videos = {}
    for index, method in enumerate(METHODS):
        videos[method] = root / f"{index}.mp4"
        write_video(videos[method], hue=0.3 + 0.3 * index)
    write_store(root / "demo", videos)
    return root / "demo"


@pytest.fixture(scope="session")
def index(pristine_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the unchanged run store, outside its folder."""
    return build_report(pristine_store, tmp_path_factory.mktemp("report"), PAGE_ONLY).index


@pytest.fixture(scope="session")
def whole_report(pristine_store: Path, tmp_path_factory: pytest.TempPathFactory) -> ReportPaths:
    """The report of the run store with tables and plots, in its own folder; do not change it."""
    store = shutil.copytree(pristine_store, tmp_path_factory.mktemp("whole") / "demo")
    return build_report(store)


@pytest.fixture
def store(pristine_store: Path, tmp_path: Path) -> Path:
    """A copy of the run store that a test may change."""
    return Path(shutil.copytree(pristine_store, tmp_path / "runs" / "demo"))


@dataclass
class Opened:
    """A page in the browser, and everything it complained about or asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("chromium is missing: apt-get install -y --no-install-recommends chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Opens a report at a route, from its folder.

    Afterwards no page may have complained, or asked for anything but files of the disk.
    """
    everything: list[Opened] = []

    def open_it(index: Path, route: str = "", **context: object) -> Opened:
        settings = {"viewport": {"width": 1440, "height": 900}} | context
        page = browser.new_context(**settings).new_page()  # type: ignore[arg-type]
        opened = Opened(page)
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("console", lambda message: opened.complaints.append(message.text))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.goto(f"{index.as_uri()}#/{route}")
        page.locator("h1, .note").first.wait_for()
        everything.append(opened)
        return opened

    yield open_it
    for opened in everything:
        assert opened.complaints == []
        assert [u for u in opened.requests if not u.startswith(("file:", "data:"))] == []
        opened.page.context.close()


def wait_until_drawn(page: Page, route: str) -> None:
    """Wait until the page says that there is nothing left to draw of a route."""
    address = quote(f"#/{route}", safe="#/?=&+%:,;!$'()*@~|[]")  # as browsers write it
    page.locator(f'html[data-drawn="{address}"]').wait_for(state="attached")


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of pictures of the pages: LONGTAKE_SCREENSHOTS, or a temporary folder."""
    folder = os.environ.get("LONGTAKE_SCREENSHOTS")
    path = Path(folder) if folder else tmp_path_factory.mktemp("screenshots")
    path.mkdir(parents=True, exist_ok=True)
    return path


def data_of(index: Path, name: str) -> dict:
    """The JSON value of a data file of a report."""
    text = (index.parent / "data" / f"{name}.js").read_text()
    return json.loads(text.partition(",")[2].rstrip().removesuffix(");"))
