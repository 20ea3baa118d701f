"""The page in a real browser: Debian's chromium, driven by playwright, opened from file://."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from playwright.sync_api import Page

from reports.site.build import build_report
from tests.reports.conftest import PAGE_ONLY, Opened, wait_until_drawn
from tests.reports.synthetic import NASTY, add_vbench_suite, freeze

Open = Callable[..., Opened]
COMPARE = "compare?row=tiny_short%7Crag+layout%3Daged&row=tiny_short%7Csliding_window"


@pytest.fixture
def front(open_page: Open, index: Path) -> Page:
    return open_page(index).page


def shown_methods(page: Page) -> list[str]:
    return [link.inner_text().strip() for link in page.locator("#leaderboard tbody .name a").all()]


def click_head(page: Page, title: str) -> str | None:
    page.locator("#leaderboard thead button", has_text=title).click()
    return page.locator("#leaderboard thead th", has_text=title).last.get_attribute("aria-sort")


def test_click_on_a_head_sorts_each_group_best_first_then_turns_then_restores(front: Page) -> None:
    front.locator("#leaderboard label", has_text="60 s").click()
    before = shown_methods(front)
    assert click_head(front, "Flicker") == "ascending"
    assert shown_methods(front)[::3] == ["sliding_window"] * 2  # of three methods in two groups
    assert click_head(front, "Flicker") == "descending"
    assert shown_methods(front)[::3] == ["rag layout=aged"] * 2
    assert click_head(front, "Subject") == "descending"
    assert shown_methods(front)[::3] == ["rag layout=aged"] * 2
    assert front.locator("th[aria-sort]").count() == 1
    for _ in range(2):
        click_head(front, "Subject")
    assert shown_methods(front) == before


def test_rows_without_a_value_are_last_in_both_orders(front: Page) -> None:
    for _ in range(2):
        click_head(front, "Retrieval hits")
        assert shown_methods(front)[2::3] == ["sliding_window"] * 4


def test_keyboard_sorts_and_opens(front: Page) -> None:
    front.locator("#leaderboard thead button", has_text="Method").focus()
    front.keyboard.press("Enter")
    methods = shown_methods(front)
    assert methods == sorted(methods[:3]) * 4
    front.locator("#leaderboard .cell").first.focus()
    front.keyboard.press("Enter")
    front.locator("#dialog table").wait_for()
    front.keyboard.press("Escape")
    assert not front.locator("#dialog").is_visible()


def test_filters_narrow_and_are_remembered_in_the_address(front: Page) -> None:
    assert len(shown_methods(front)) == 12
    front.locator("#leaderboard label", has_text="30 s").click()
    assert len(shown_methods(front)) == 6
    front.locator("#backbone-filter").select_option("tiny_long")
    assert len(shown_methods(front)) == 3
    front.locator("#method-filter").fill("rag")
    assert shown_methods(front) == ["rag layout=aged"]
    front.reload()
    front.locator("#leaderboard table").wait_for()
    assert shown_methods(front) == ["rag layout=aged"]
    front.locator("#method-filter").fill("official trained")
    assert len(shown_methods(front)) == 3
    front.locator("#method-filter").fill("no such thing")
    assert "No row matches" in front.locator("#leaderboard tbody").inner_text()


def test_two_clicks_from_a_number_to_file_and_command(front: Page, index: Path) -> None:
    front.locator("#leaderboard label", has_text="30 s").click()
    front.locator("#leaderboard tr", has_text="rag").locator(".cell", has_text="0.85").first.click()
    dialog = front.locator("#dialog")
    dialog.locator("tbody tr").first.wait_for()
    assert "python -m harness sweep method=sliding_window,rag 'x=a b'" in dialog.inner_text()
    assert "Suite offline (proxy metrics), version 1" in dialog.inner_text()
    values = [float(c.inner_text()) for c in dialog.locator("tbody td.number").all()]
    assert len(values) == 6
    shown = float(dialog.locator(".figure strong").inner_text())
    assert sum(values) / 6 == pytest.approx(shown, abs=1e-3)
    address = dialog.locator("a", has_text="scores").first.get_attribute("href")
    assert address is not None
    scores = json.loads((index.parent / unquote(address)).read_text())
    assert scores["metrics"]["subject"]["durations"]["30"] == pytest.approx(values[0], abs=1e-3)
    record = dialog.locator("a", has_text="record").first.get_attribute("href")
    assert record is not None and (index.parent / unquote(record)).is_file()


def test_differences_to_the_baseline(front: Page) -> None:
    front.locator("label", has_text="Difference to baseline").click()
    cells = front.locator("#leaderboard tr", has_text="rag").first.locator(".cell")
    shown = "".join(cells.all_inner_texts())
    assert "+0.050" in shown and "+2.000" in shown
    assert front.locator(".better, .worse, .sure").count() == 0  # three prompts test nothing
    assert "mode=differences" in front.url


def test_tooltip_gives_the_reason_on_focus(front: Page) -> None:
    tip = front.locator("#tip")
    assert not tip.is_visible()
    front.locator("#leaderboard [data-tip^='No value']").first.focus()
    assert tip.inner_text() == "No value: needs weights that are not installed."
    front.keyboard.press("Escape")
    assert not tip.is_visible()


def test_rows_are_chosen_and_compared(front: Page) -> None:
    for label in ("Compare rag layout=aged on tiny_short", "Compare random on tiny_short"):
        front.get_by_label(label).first.check()
    front.locator(".compare-bar a").click()
    front.locator(".card video").first.wait_for()
    assert front.locator(".card video").count() == 2
    assert "row=tiny_short%7Crag+layout%3Daged&row=tiny_short%7Crandom" in front.url


def wait_until_videos(page: Page, condition: str) -> None:
    """Wait until every video `v` meets the JavaScript condition.

    Asked from here, because the page's own policy forbids playwright to poll inside it by eval.
    """
    every = (
        "((videos) => videos.length > 0 && videos.every((v) => "
        f"{condition}))([...document.querySelectorAll('video')])"
    )
    for _ in range(300):
        if page.evaluate(every):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"not all videos came to: {condition}")


def test_play_runs_all_videos_together(open_page: Open, index: Path) -> None:
    page = open_page(index, COMPARE + "&row=tiny_long%7Crandom").page
    wait_until_videos(page, "v.readyState >= 1 && v.muted && v.playsInline")
    page.locator("#play").click()
    # On a busy machine a video may lag for a moment; the page brings it back to the first one.
    first = "document.querySelector('video').currentTime"
    wait_until_videos(
        page, f"!v.paused && v.currentTime > 0.5 && Math.abs(v.currentTime - {first}) < 0.5"
    )
    assert page.locator("video").count() == 3
    page.locator("#play").click()
    assert page.evaluate("[...document.querySelectorAll('video')].every((v) => v.paused)")
    assert page.locator("#play").inner_text() == "Play"
    assert "t=" in page.url


def test_deep_link_scrub_keys_chart_and_strip_move_everything(open_page: Open, index: Path) -> None:
    page = open_page(index, COMPARE + "&prompt=p1&seed=1&metric=offline%2Fflicker&t=40").page
    wait_until_videos(page, "v.readyState >= 1 && Math.abs(v.currentTime - 40) < 0.1")
    assert page.locator("#clock").inner_text() == "40.0 / 59.8 s"
    assert page.locator("#prompt").input_value() == "p1"
    assert page.locator("h2.small").inner_text().startswith("Flicker")
    assert "retrieved: " in page.locator(".memory").first.inner_text()
    before = page.locator(".value-now").first.inner_text()
    page.locator("#scrub").fill("10")
    wait_until_videos(page, "Math.abs(v.currentTime - 10) < 0.1")
    assert page.locator(".value-now").first.inner_text() != before
    page.locator("h1").click()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowLeft")
    wait_until_videos(page, "Math.abs(v.currentTime - 11.75) < 0.1")
    box = page.locator("#chart svg").bounding_box()
    assert box is not None
    page.locator("#chart svg").click(position={"x": box["width"] / 2, "y": 50})
    assert 25 < float(page.locator("#scrub").input_value()) < 35
    strip = page.locator(".card .strip").first.bounding_box()
    assert strip is not None
    page.locator(".card .strip").first.click(position={"x": strip["width"] * 0.75, "y": 5})
    assert float(page.locator("#scrub").input_value()) == pytest.approx(45, abs=1)
    page.locator("h1").click()
    page.keyboard.press(" ")
    wait_until_videos(page, "!v.paused")


def test_arcs_light_up_the_retrieved_frames(open_page: Open, index: Path) -> None:
    page = open_page(index, COMPARE + "&t=0").page
    wait_until_videos(page, "v.readyState >= 1")
    picture = "(canvas) => canvas.toDataURL()"
    arcs = page.locator("canvas.arcs")
    assert arcs.count() == 1  # the sliding window retrieves nothing
    quiet = arcs.evaluate(picture)
    page.locator("#scrub").fill("50")
    assert len(arcs.evaluate(picture)) > 1.5 * len(quiet)


def test_failed_unit_shows_why_and_nasty_prompt_stays_text(open_page: Open, index: Path) -> None:
    route = "compare?row=tiny_long%7Crandom&row=tiny_long%7Csliding_window&prompt=p2&seed=1"
    page = open_page(index, route).page
    wait_until_videos(page, "v.readyState >= 1")
    assert page.locator(".prompt").inner_text() == NASTY
    assert page.locator("video").count() == 1
    absent = page.locator(".absent").inner_text()
    assert absent == "No video (failed: RuntimeError: out of <memory>)."
    assert page.evaluate("window.hacked") is None


def test_missing_video_leaves_the_others_playing(open_page: Open, store: Path) -> None:
    (store / "units/tiny_short-rag-p0-0/video.mp4").unlink()
    page = open_page(build_report(store, options=PAGE_ONLY).index, COMPARE).page
    wait_until_videos(page, "v.readyState >= 1")
    assert page.locator("video").count() == 1
    assert "contains no videos" in page.locator(".absent").inner_text()
    page.locator("#play").click()
    wait_until_videos(page, "v.currentTime > 0.2")
    page.goto(page.url.partition("#")[0] + "#/sources")
    assert "video.mp4: cannot be shown: missing" in page.locator("main").inner_text()


def test_video_page_shows_everything_known(open_page: Open, index: Path) -> None:
    page = open_page(index, "video?id=tiny_long-rag-p1-0&t=30").page
    wait_until_videos(page, "Math.abs(v.currentTime - 30) < 0.1")
    text = page.locator("main").inner_text()
    for part in (
        "Waves at night",
        "official setting",
        "steady block",
        "0.75 s",
        "900 MiB",
        "\N{MINUS SIGN}0.250",
    ):
        assert part in text
    assert "python -m harness sweep method=sliding_window,rag 'x=a b'" in text
    page.locator("summary", has_text="The whole record").click()
    assert '"unit_id": "tiny_long-rag-p1-0"' in page.locator(".manifest").inner_text()
    page.locator("a", has_text="Compare with other methods").click()
    page.locator(".card video").nth(2).wait_for()


def test_unknown_video_method_and_page_show_a_message(open_page: Open, index: Path) -> None:
    opened = open_page(index, "sources")
    page = opened.page
    for route, said in (
        ("video?id=..%2F..%2Fx", "no finished video"),
        ("video?id=tiny_long-random-p2-1", "out of <memory>"),
        ("methods?name=%3Cb%3E", "No method is called"),
        ("nowhere", "No such page"),
    ):
        page.goto(page.url.partition("#")[0] + f"#/{route}")
        page.get_by_text(said).first.wait_for()
    # The first asked for a file that is not there, inside the page's folder; the browser says so.
    assert opened.complaints == ["Failed to load resource: net::ERR_FILE_NOT_FOUND"]
    opened.complaints.clear()


def test_method_page_shows_definition_arguments_results_and_cost(
    open_page: Open, index: Path
) -> None:
    page = open_page(index, "methods?name=rag%20layout%3Daged").page
    text = page.locator("main").inner_text()
    assert "most similar to the newest clean frames" in text
    assert "Plug-in rag." in text
    assert page.locator("table.data tbody tr:not(.separator)").count() == 4
    page.locator(".chart circle").first.wait_for()
    assert page.locator(".chart circle").count() >= 3


def test_videos_are_listed_searched_and_linked(open_page: Open, index: Path) -> None:
    page = open_page(index, "videos").page
    rows = page.locator("table.data tbody tr")
    assert rows.count() == 36
    page.locator("#video-filter").fill("waves random seed=1")
    assert rows.count() == 2
    rows.first.locator("a").click()
    page.locator("video").wait_for()
    page.go_back()
    page.locator("table.data tbody tr").first.wait_for()
    assert page.locator("#video-filter").input_value() == "waves random seed=1"


def test_theme_can_be_turned(front: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    before = front.evaluate(ground)
    front.locator("#theme").click()
    assert front.evaluate(ground) != before


def test_suites_of_two_kinds_have_tables_apart(open_page: Open, store: Path) -> None:
    add_vbench_suite(store)
    page = open_page(build_report(store, options=PAGE_ONLY).index).page
    heads = "#leaderboard thead button"
    vbench = page.locator(heads).all_inner_texts()  # before proxies
    assert page.locator("#leaderboard .kind").inner_text() == "VBench-Long"
    page.locator("#leaderboard label", has_text="proxy metrics").click()
    assert "board=offline" in page.url
    assert page.locator("#leaderboard .kind").inner_text() == "proxy metrics"
    proxy = page.locator(heads).all_inner_texts()
    assert "Flicker ↓" in proxy and "Flicker ↓" not in vbench
    assert len(page.locator("#leaderboard table").all()) == 1


def test_still_videos_are_flagged_beside_the_row_and_on_their_page(
    open_page: Open, store: Path
) -> None:
    freeze(store, "rag layout=aged", "p0")
    index = build_report(store, options=PAGE_ONLY).index
    page = open_page(index, "?d=30").page
    badges = page.locator("#leaderboard .badge.strong", has_text="frozen")
    assert badges.all_inner_texts() == ["2 of 6 frozen: left out"]
    page.get_by_role("button", name="2 videos left out").first.click()
    assert "p0, seed 0: rag layout=aged: frozen" in page.get_by_role("dialog").inner_text()
    page.keyboard.press("Escape")
    page.locator("#leaderboard label", has_text="60 s").click()
    assert page.locator("#leaderboard .badge", has_text="frozen").count() == 0
    page.goto(f"{index.as_uri()}#/video?id=tiny_short-rag-p0-0")
    page.get_by_text("This video is frozen (at 30 s)").wait_for()


HOSTILE = {
    "markup": '<img src=x onerror="window.hacked=1"><svg onload=window.hacked=2>',
    "script": "</script><script>window.hacked=3</script>",
    "quotes": "\"'`${window.hacked=4}`'\"\\",
    "right to left": "שלום עולם \u202eevil\u202c مرحبا",
    "emoji": "🦊👩‍👩‍👧‍👦🏳️‍🌈 e\u0301 \u2028\u2029\u0000end",
    "long": "word" * 2500,
    "javascript": "javascript:window.hacked=5",
}


def test_hostile_texts_anywhere_stay_text(open_page: Open, store: Path) -> None:
    """Every text from untrusted sources: prompts, labels, ids, errors, metric descriptions."""
    lines = [json.loads(line) for line in (store / "units.jsonl").read_text().splitlines()]
    texts = list(HOSTILE.values())
    for line in lines:
        number = int(line["prompt_id"][1:])
        line |= {"prompt": texts[number], "prompt_id": f"{texts[number + 3][:60]}"}
        line["method"] = {"random": texts[0], "sliding_window": texts[1]}.get(line["method"], "rag")
        line["backbone"] = {"tiny_short": texts[6], "tiny_long": texts[2]}[line["backbone"]]
    (store / "units.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for path in (store / "metrics/offline").iterdir():
        content = json.loads(path.read_text())
        content["metrics"]["subject"]["info"] |= {"title": texts[0], "description": texts[1]}
        content["metrics"]["text"]["reason"] = texts[0]
        path.write_text(json.dumps(content))
    failure = store / "units/tiny_long-random-p2-1/failure.json"
    failure.write_text(json.dumps({"error": texts[0]}))
    index = build_report(store, options=PAGE_ONLY).index
    method = quote(texts[0], safe="")
    routes = ["", "sources", "videos", "methods", f"methods?name={method}", "compare"]
    routes += ["video?id=tiny_short-random-p0-0", f"compare?row={method}&prompt={method}"]
    opened = open_page(index)
    for route in routes:
        opened.page.goto(f"{index.as_uri()}#/{route}")
        wait_until_drawn(opened.page, route)
        assert opened.page.evaluate("window.hacked") is None, route
        assert opened.page.locator("main [onerror], main [onload]").count() == 0
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 1440, route
        assert opened.page.locator("main script, main a[href^='javascript']").count() == 0
    opened.page.goto(f"{index.as_uri()}#/")
    opened.page.locator("#leaderboard .cell").first.click()
    opened.page.locator("#dialog tbody tr").first.wait_for()
    assert opened.page.evaluate("window.hacked") is None


def test_long_prompt_is_whole_on_its_page(open_page: Open, store: Path) -> None:
    path = store / "units.jsonl"
    line = json.loads(path.read_text().splitlines()[0]) | {"prompt": HOSTILE["long"]}
    path.write_text(json.dumps(line))
    page = open_page(build_report(store, options=PAGE_ONLY).index).page
    # One row, one prompt, one video: still a page.
    assert shown_methods(page) == ["sliding_window"] * 2
    page.goto(page.url.partition("#")[0] + f"#/video?id={line['unit_id']}")
    assert page.locator(".prompt.long").inner_text() == HOSTILE["long"]


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_the_screen_and_are_pictured(
    open_page: Open, index: Path, screenshots: Path, width: int, scheme: str
) -> None:
    settings = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    page = open_page(index, **settings).page
    for name, route in (
        ("front", ""),
        ("compare", COMPARE + "&t=20"),
        ("video", "video?id=tiny_long-rag-p1-0&t=20"),
        ("method", "methods?name=random"),
        ("videos", "videos"),
        ("sources", "sources"),
    ):
        page.goto(f"{index.as_uri()}#/{route}")
        wait_until_drawn(page, route)
        assert page.evaluate("document.documentElement.scrollWidth") == width, name
        page.screenshot(path=screenshots / f"{name}_{width}_{scheme}.png")
    assert len(list(screenshots.glob(f"*_{width}_{scheme}.png"))) == 6
