"""Small, large and odd sweeps in a browser: nothing overlaps, overflows or is hard to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

from harness.store.frames import load_sweeps
from reports.site.assets import Addresses, Assets, AssetWriter
from reports.site.build import build_report
from reports.site.data_files import write_data
from reports.site.video_list import PIECE_VIDEOS, video_pieces
from tests.reports.conftest import PAGE_ONLY, data_of, wait_until_drawn
from tests.reports.plain_store import Plain, noisy, write_plain_store
from tests.reports.synthetic import write_video

pytestmark = pytest.mark.slow

OVERLAPS = (Path(__file__).parent / "overlaps.js").read_text()
AXE = (Path(__file__).parents[2] / "data" / "axe.min.js").read_text()
VIOLATIONS = """axe.run(document, { preload: false, runOnly: ["wcag2a", "wcag2aa", "wcag21aa"] })
    .then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`))"""
METHODS = ("sliding_window", "rag", "random", "rag layout=aged", "lag", "successor", "a", "b")
LONG = "name_" + "abcdefghij" * 20
FOX = "A red fox walks over snow while the sun sets behind it."


def prompts(count: int) -> list[str]:
    return [f"{FOX} Number {number}." for number in range(count)]


SWEEPS = {
    "three videos": Plain(METHODS[:3], prompts(1), noisy),
    "two hundred videos": Plain(METHODS, prompts(25), noisy),
    "one method": Plain(["rag"], prompts(8), noisy),
    "failed units only": Plain(METHODS[:2], prompts(3), lambda *_: "OSError: no <memory>"),
    "nulls everywhere": Plain(METHODS[:2], prompts(8), lambda *_: None),
    "forty methods": Plain([f"method_{i:02d} with=it" for i in range(40)], prompts(6), noisy),
    "long names": Plain([LONG[:200], f"rag {LONG[:190]}"], [LONG] * 7, noisy, LONG[:200]),
    "other scripts": Plain(
        ["שלום עולם", "مرحبا بالعالم", "🦊👩‍👩‍👧‍👦 fox"],
        ["שלום \u202eevil\u202c", "🦊", "مرحبا"],
        noisy,
    ),
}
ROUTES = ("", "?mode=differences", "videos", "methods")
MORE = ("compare", "video?id=u000x0000", "sources", "differences")
VIEWS = [(1440, "light"), (400, "dark"), (1440, "dark"), (400, "light")]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    write_video(path, hue=0.5)
    return path


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[int, str], Page]]:
    """Opens an empty page of a width and colour scheme, which may not complain."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_it(width: int, scheme: str) -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        pages.append(page)
        return page

    yield open_it
    for page in pages:
        page.close()
    assert complaints == []


def show(page: Page, index: Path, route: str) -> None:
    """Show all of a page, what is drawn when it comes into view included."""
    page.goto(f"{index.as_uri()}#/{route}")
    wait_until_drawn(page, route)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    wait_until_drawn(page, route)


@pytest.mark.parametrize("name", SWEEPS)
def test_nothing_overlaps_or_overflows(
    name: str, visit: Callable[[int, str], Page], video: Path, tmp_path: Path
) -> None:
    store = write_plain_store(tmp_path / "runs" / name, SWEEPS[name], video)
    index = build_report(store, options=PAGE_ONLY).index
    whole = name == "two hundred videos"
    method = quote(SWEEPS[name].methods[0])
    for width, scheme in VIEWS if whole else VIEWS[:2]:
        page = visit(width, scheme)
        for route in (*ROUTES, *(MORE if whole else ()), f"methods?name={method}"):
            show(page, index, route)
            where = f"{width} px, {scheme}, #/{route}"
            assert page.evaluate(OVERLAPS) == [], where
            assert page.evaluate("document.documentElement.scrollWidth") == width, where
            if (whole and width == 1440) or (name == "long names" and route == "videos"):
                page.evaluate(AXE)
                assert page.evaluate(VIOLATIONS) == [], where
        page.close()


def test_twenty_thousand_videos_are_read_in_pieces(
    visit: Callable[[int, str], Page], video: Path, tmp_path: Path
) -> None:
    store = write_plain_store(tmp_path / "runs" / "many", SWEEPS["three videos"], video)
    index = build_report(store, options=PAGE_ONLY).index
    sweep = load_sweeps([store])
    copies = [
        sweep.units.assign(
            unit_id=sweep.units["unit_id"].astype("str") + f"c{number}",
            prompt_id=f"set/{number:05d}",
            prompt=f"{FOX} Number {number}.",
        )
        for number in range(20_001 // 3)
    ]
    site = data_of(index, "site")
    site["pieces"] = []
    many = replace(sweep, units=pd.concat(copies))
    addresses = Addresses(AssetWriter(many, tmp_path, Assets.none), many)
    for piece, videos in video_pieces(many, [], addresses):
        path = index.parent / "data" / "videos" / f"{piece.name}.js"
        write_data(path, f"videos/{piece.name}", videos)
        site["pieces"].append(piece)
    assert max(piece.num_videos for piece in site["pieces"]) <= PIECE_VIDEOS
    write_data(index.parent / "data" / "site.js", "site", site)
    for width, scheme in VIEWS[:2]:
        page = visit(width, scheme)
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(f"{index.as_uri()}#/videos")
        page.locator("table.data tbody tr").first.wait_for()
        assert "the first" in page.locator("main [role=status]").first.inner_text()
        assert sum("/data/videos/" in url for url in asked) < len(site["pieces"])
        assert page.evaluate(OVERLAPS) == []
        page.locator("#video-filter").fill("number 6666.")
        page.get_by_text("3 of 20,001 videos", exact=True).wait_for()
        assert page.locator("table.data tbody tr").count() == 3
        page.close()


def test_the_check_of_overlaps_finds_them(visit: Callable[[int, str], Page]) -> None:
    page = visit(400, "light")
    page.set_content("<p>first</p><p>second</p>")
    assert page.evaluate(OVERLAPS) == []
    page.set_content("<p>first</p><p style='margin-top: -34px'>second</p>")
    assert page.evaluate(OVERLAPS) == ["first | second"]
