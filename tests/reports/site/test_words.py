"""Words and digits that the script of the page writes, without a report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from reports.site import page as page_files
from reports.tables.formatting import number, signed

JS = Path(page_files.__file__).parent / "templates" / "js"
SCOPE = "\n".join(
    (JS / f"{name}.js").read_text() for name in page_files.SCRIPTS if name not in ("live", "main")
)
SITE = {"mark_levels": [0.05, 0.01], "methods": []}
CELL = {
    **dict.fromkeys(("low", "high", "stderr", "no_interval", "reason", "mark", "best_p")),
    **{"mean": 0.5, "num_videos": 8, "num_prompts": 8, "rank": 1},
}


@pytest.fixture(scope="module")
def empty(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def run(page: Page, body: str, given: object) -> object:
    """Run statements in the scope of the page's script, with `given` and the data of a site."""
    start = "longtake.put('site', all[0]); const given = all[1];"
    return page.evaluate(f"async (all) => {{ {SCOPE}\n{start}\n{body} }}", [SITE, given])


@pytest.mark.parametrize(
    ("mark", "best_p", "said"),
    [
        ("best", 1.0, "best in its group."),
        ("near", 0.4, "may be the best as well (p = 0.4, corrected over the table)."),
        (None, 0.03, "not the best (p = 0.03, corrected over the table)."),
        (None, 1.0, "the tests rule out no method."),
        (None, None, "rank 1 in its group."),
    ],
)
def test_words_of_a_mean_agree_with_the_tests(
    empty: Page, mark: str | None, best_p: float | None, said: str
) -> None:
    cell = CELL | {"mark": mark, "best_p": best_p}
    words = run(empty, "return cellWords(given, 2);", cell)
    assert str(words).endswith(f"; {said}")


def test_page_and_tables_round_alike(empty: Page) -> None:
    values = [0.125, 0.375, 0.625, -0.125, 2.5, 1.005, 0.004, -0.004, 0.0, 1234567.0625, 1e-9]
    body = "return given.map((v) => [0, 1, 2, 3].map((d) => [number(v, d), signed(v, d)]));"
    written = run(empty, body, values)
    assert written == [[[number(v, d), signed(v, d)] for d in range(4)] for v in values]
    assert [number(v, 2) for v in values[:4]] == ["0.13", "0.38", "0.63", "\N{MINUS SIGN}0.13"]


def test_quoted_columns_keep_their_decimals(empty: Page) -> None:
    table = {
        **{"title": "T", "link": None, "source": "S", "table": "1", "hand": "first", "file": "f"},
        "protocol": {"prompts": "p", "seeds": "s", "clips": "other", "note": None},
        "columns": [{"name": "a", "title": "A"}, {"name": "b", "title": "B"}],
        "rows": [
            {"backbone": "x", "method": m, "duration_s": 30, "note": None, "values": values}
            | {"copied_from": None, "swapped": []}
            for m, values in (("m", {"a": 98.2, "b": 3}), ("n", {"a": 97.13}), ("o", {"a": 52}))
        ],
    }
    body = "return [...quotedTable(given).querySelectorAll('td.number')].map((c) => c.textContent);"
    cells = run(empty, body, table)
    assert cells == [
        "30 s",
        "98.20",
        "3",
        "30 s",
        "97.13",
        "\N{EN DASH}",
        "30 s",
        "52.00",
        "\N{EN DASH}",
    ]


def test_first_and_last_seconds_are_those_of_the_suite_without_a_verdict(empty: Page) -> None:
    line = {"backbone": "x", "prompt_set": "", "method": "m", "seconds": 5, "num_videos": 4}
    line |= {
        "num_looping": None,
        "num_looping_of": 0,
        "first": 0.98765,
        "last": 0.9,
        "change": -0.08765,
    }
    line |= {"change_stderr": 0.0125, "last_similarity": 0.5}
    body = """
        longtake.put("ends", { Own: { light: [given] } });
        const place = h("div", {});
        await fillEnds(place, { suite: "Own", name: "light", decimals: 3, higher_is_better: true });
        return [place.textContent, place.querySelectorAll(".better, .worse").length];
    """
    text, num_coloured = run(empty, body, line)  # type: ignore[misc]
    assert num_coloured == 0
    assert "0.9880.900\N{MINUS SIGN}0.088 ± 0.013" in text


@pytest.mark.parametrize(
    ("quality", "side", "title"), [(True, "sure worse", "Motion ↑"), (False, "sure", "Motion")]
)
def test_differences_of_what_describes_a_video_have_no_direction(
    empty: Page, quality: bool, side: str, title: str
) -> None:
    metric = {"title": "Motion", "quality": quality, "higher_is_better": True, "duration_s": 30}
    metric |= {"difference": -0.5, "low": -0.6, "high": -0.4, "no_interval": None}
    metric |= {"p": 0.001, "num_videos": 8, "decimals": 2}
    row = {"backbone": "x", "method": "m", "num_shared": 8, "num_equal": 0}
    row |= {"arguments": [], "metrics": [metric]}
    body = """
        const line = rowChanges(given).querySelector("tbody tr");
        const texts = [...line.cells].map((cell) => cell.textContent);
        return [line.className, texts[0], texts[2], texts[3]];
    """
    minus = "\N{MINUS SIGN}"
    found = [f"{minus}0.50 **", f"{minus}0.60 to {minus}0.40"]
    assert run(empty, body, row) == [side, title, *found]


def test_segments_stand_side_by_side_and_a_missing_one_is_a_dash(empty: Page) -> None:
    def cell(segment: int, mean: float) -> dict[str, object]:
        rest = {"start_s": 10 * (segment - 1), "stderr": None, "num_videos": 4}
        return {"segment": segment, "mean": mean} | rest

    row = {"backbone": "x", "prompt_set": "stories"}
    lines = [
        row | {"method": "m", "cells": [cell(1, 0.5), cell(2, 0.25)]},
        row | {"method": "n", "cells": [cell(2, 1)]},
    ]
    body = """
        longtake.put("segments", { own: { light: given, quality: given } });
        const place = h("div", {});
        await fillSegments(place, { suite: "own", name: "light", title: "Light", decimals: 2 });
        const empty = h("div", {});
        await fillSegments(empty, { suite: "own", name: "dark", title: "Dark", decimals: 2 });
        return [place.textContent, empty.textContent];
    """
    text, nothing = run(empty, body, lines)  # type: ignore[misc]
    assert "From 0 sFrom 10 s mx0.500.25 nx\N{EN DASH}1.00" in text
    assert nothing == ""


def test_times_below_filmstrips_are_those_of_the_frames(empty: Page) -> None:
    shown = {"backbone": "x", "prompt": "P", "prompt_id": "p0", "seed": 0, "strips": []}
    body = """
        const shown = { rows: [], pieces: [], backbones: ["x"], showcase: given };
        return [...showcase(shown).querySelectorAll(".times div span")].map((c) => c.textContent);
    """
    for length, times in ((30, "0 7.5 15 22.5 30"), (6, "0 1.5 3 4.5 6"), (8, "0 2 4 6 8")):
        assert run(empty, body, shown | {"length_s": length}) == [f"{t} s" for t in times.split()]


def test_a_value_without_neighbours_is_a_dot(empty: Page) -> None:
    body = """
        const place = h("div", {});
        const points = given.map((value, at) => ({ at, value, error: null }));
        const lines = [{ label: "m", colour: "#123456", dash: "", points }];
        drawChart(place, { lines, length: 9, title: "T" });
        return place.querySelectorAll("circle").length;
    """
    cases: list[tuple[list[float | None], int]] = [
        *(([0.5], 1), ([0.5, 0.6], 0), ([None, 0.5, None, 0.6], 2), ([0.5, 0.6, None, 0.7], 1)),
    ]
    for values, num_dots in cases:
        assert run(empty, body, values) == num_dots


def test_the_sentence_of_a_method_is_plain_and_names_what_is_in_use(empty: Page) -> None:
    row = {"backbone": "x", "method": "m", "method_plugin": "sink"}
    row |= {"definition": "Keeps ``sink`` and\n`more`.\n\nLong."}
    row |= {"method_args": {"sink": "3", "after_latents": "None", "checkpoint": "none"}}
    body = "site().rows = [given]; return methodSentence('m');"
    assert run(empty, body, row) == "Keeps sink and more. Here: sink 3."


def test_a_command_without_a_clipboard_becomes_a_file(empty: Page) -> None:
    body = """
        Object.defineProperty(navigator, "clipboard", { value: undefined, configurable: true });
        document.body.append(copyButton(given));
    """
    run(empty, body, "python -m harness status")
    with empty.expect_download() as download:
        empty.locator(".copy").click()
    assert download.value.path().read_text() == "python -m harness status"
    empty.get_by_text("Saved as a file").wait_for()


def test_copies_of_aggregates_have_the_scale_of_the_page(empty: Page) -> None:
    column = {"name": "a", "title": "A", "description": "d", "higher_is_better": True}
    row = {"label": "m", "values": {"a": 0.7588500000000001}, "places": {"a": 1}}
    table = {"title": "T", "columns": [column], "rows": [row], "winners": {"a": "m"}}
    body = """
        Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => {
            window.copied = text;
        } }, configurable: true });
        const figure = orderTable(given);
        const found = [figure.querySelector("td").textContent];
        for (const format of ["CSV", "Markdown"]) {
            figure.querySelector(`[aria-label="Copy Aggregates, T as ${format}"]`).click();
            await null;
            found.push(window.copied.trim().split("\\n").at(-1));
        }
        return found;
    """
    assert run(empty, body, table) == ["75.89 1", "m,75.885", "| m | 75.89 |"]
