"""The opening of the front page, in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Page

from harness.store.frames import load_sweep
from reports.site.assets import Assets, AssetWriter
from reports.site.build import build_report
from reports.site.laps import write_laps
from reports.tables.comparison import compare_all
from reports.tables.headline import headline
from tests.reports.conftest import PAGE_ONLY, Opened, data_of
from tests.reports.synthetic import METHODS, unit_id

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


def test_page_opens_with_what_came_out(front: Page, pristine_store: Path) -> None:
    sweep = load_sweep(pristine_store)
    said = headline(sweep, compare_all(sweep)).text
    assert said.startswith("On subject consistency of `tiny_short` at 60 s, no method can be")
    assert front.locator(".headline").inner_text() == said.replace("`", "")
    assert front.locator(".headline b").first.inner_text() == "tiny_short"


def test_the_table_comes_before_all_pictures_and_starts_on_the_first_screen(
    open_page: Open, index: Path
) -> None:
    for width in (1440, 400):
        page = open_page(index, viewport={"width": width, "height": 900}).page
        page.locator("#laps img").first.wait_for(state="attached")
        tops = page.evaluate(
            "['#leaderboard', '#recall', '#laps', '.showcase'].map("
            "(name) => document.querySelector(name).getBoundingClientRect().top)"
        )
        assert tops[0] < 900 and tops[0] < min(tops[1:]), width


def test_laps_of_every_method_are_under_each_other(front: Page, index: Path) -> None:
    pictures = front.locator("#laps img")
    pictures.last.scroll_into_view_if_needed()
    sizes = pictures.evaluate_all(
        "(all) => Promise.all(all.map(async (one) => {"
        " await one.decode(); return [one.naturalWidth, one.naturalHeight] }))"
    )
    assert sizes == [[9 * 120, 3 * 80]] * 3
    assert "random 0.68" in front.locator("#laps .strip-name").last.inner_text()
    laps = data_of(index, "site")["laps"]
    assert (laps["prompt_id"], laps["lap_s"], laps["num_laps"]) == ("p0", 6, 3)
    front.locator("#laps a", has_text="Compare the videos").click()
    front.locator(".card video").nth(2).wait_for()


def test_page_of_metrics_without_ages_has_no_recall_and_no_laps(
    open_page: Open, store: Path
) -> None:
    out = build_report(store, options=PAGE_ONLY).index.parent
    assert len(list((out / "laps").iterdir())) == 3
    for path in (store / "metrics/offline").iterdir():
        content = json.loads(path.read_text())
        content["metrics"]["subject"]["parts"] = {}
        path.write_text(json.dumps(content))
    page = open_page(build_report(store, options=PAGE_ONLY).index).page
    page.locator("#leaderboard table").wait_for()
    assert page.locator("#recall, #laps").count() == 0
    assert list((out / "laps").iterdir()) == []


def test_damaged_videos_are_left_out_of_the_laps_with_a_warning(
    store: Path, tmp_path: Path
) -> None:
    sweep = load_sweep(store)
    tables = compare_all(sweep)
    writer = AssetWriter(sweep, tmp_path, Assets.link)
    assets = writer.prepare()  # the filmstrips, before the damage
    videos = [store / "units" / unit_id("tiny_short", m, "p0", 0) / "video.mp4" for m in METHODS]
    whole = videos[1].read_bytes()
    videos[1].unlink()
    videos[1].write_bytes(whole[: len(whole) // 2])
    laps = write_laps(sweep, tables, assets, tmp_path / "laps", writer)
    assert laps and [strip.method for strip in laps.strips] == [METHODS[0], METHODS[2]]
    (warning,) = writer.warnings
    assert warning.startswith("units/tiny_short-rag-p0-0/video.mp4: its laps cannot be drawn: ")
    assert len(list((tmp_path / "laps").iterdir())) == 2
    shutil.rmtree(tmp_path / "laps")
    videos[0].unlink()
    videos[2].unlink()
    assert write_laps(sweep, tables, assets, tmp_path / "laps", writer) is None
    assert writer.warnings[-1].endswith("its laps cannot be drawn: missing.")


@pytest.mark.slow
def test_laps_after_a_longer_scoring_are_drawn_again(pristine_store: Path, tmp_path: Path) -> None:
    sweep = load_sweep(pristine_store)
    # As ages are named with 6 digits, two of them may be a little longer than the video.
    sweep = replace(sweep, ages=sweep.ages.assign(age_s=15.00001))
    tables = compare_all(sweep)
    writer = AssetWriter(sweep, tmp_path, Assets.link)
    assets = writer.prepare()
    of_30_s = [table for table in tables if table.duration_s == 30]
    for chosen, num_laps in ((of_30_s, 2), (tables, 3)):
        laps = write_laps(sweep, chosen, assets, tmp_path / "laps", writer)
        assert laps and laps.num_laps == num_laps
        heights = {cv2.imread(str(path)).shape[0] for path in (tmp_path / "laps").iterdir()}
        assert heights == {num_laps * 80}


def test_videos_whose_prompt_changes_have_no_laps(pristine_store: Path, tmp_path: Path) -> None:
    sweep = load_sweep(pristine_store)
    sweep = replace(sweep, segments=sweep.units[["unit_id"]])
    writer = AssetWriter(sweep, tmp_path, Assets.link)
    laps = write_laps(sweep, compare_all(sweep), writer.prepare(), tmp_path / "laps", writer)
    assert laps is None


def test_report_without_videos_shows_no_laps(store: Path) -> None:
    options = replace(PAGE_ONLY, assets=Assets.none)
    assert data_of(build_report(store, options=options).index, "site")["laps"] is None


def test_a_page_before_the_first_score_says_so(open_page: Open, store: Path) -> None:
    shutil.rmtree(store / "metrics")
    page = open_page(build_report(store, options=PAGE_ONLY).index).page
    assert page.locator(".headline").inner_text() == "No video has been evaluated yet."
