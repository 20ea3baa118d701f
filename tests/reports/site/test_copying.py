"""Copies of tables, addresses of popups, and paper: the page as something to work with."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page

from harness.store.frames import load_sweep
from reports.tables.comparison import compare
from reports.tables.export import markdown
from tests.reports.conftest import Opened

pytestmark = pytest.mark.slow

Open = Callable[..., Opened]
CATCH = "void (navigator.clipboard.writeText = async (text) => { window.copied = text; })"


def copied(page: Page, label: str) -> str:
    page.get_by_role("button", name=label).click()
    page.get_by_text("Copied.", exact=True).wait_for()
    return str(page.evaluate("window.copied"))


def test_copies_have_the_numbers_of_the_files(
    open_page: Open, index: Path, pristine_store: Path
) -> None:
    page = open_page(index, "?d=30").page
    page.evaluate(CATCH)
    board = "Copy Leaderboard of suite offline, proxy metrics as"
    lines = copied(page, f"{board} Markdown").splitlines()
    assert len(lines) == 2 + 6
    cells = {cell.strip() for line in lines[2:] for cell in line.split("|")}
    written = markdown(compare(load_sweep(pristine_store), "offline", 30.0))
    numbers = [cell.strip() for line in written.splitlines()[2:8] for cell in line.split("|")[4:-3]]
    assert any("±" in number for number in numbers)
    assert set(numbers) <= cells
    table = pd.read_csv(io.StringIO(copied(page, f"{board} CSV")))
    assert table["Subject consistency ↑"].round(6).tolist() == pytest.approx(
        [0.8, 0.85, 0.8, 0.8, 0.85, 0.8]
    )
    latex = copied(page, f"{board} LaTeX")
    assert r"sliding\_window & " in latex and r"$\pm$" in latex
    assert latex.startswith("\\begin{tabular}{") and latex.endswith("\\end{tabular}\n")


DIFFERENT = """(async () => {
    const found = [];
    for (const line of document.querySelectorAll(".copying")) {
        window.copied = undefined;
        line.querySelector('[aria-label$="as Markdown"]').click();
        for (let i = 0; i < 100 && window.copied === undefined; i++) await new Promise(setTimeout);
        const shown = line.parentElement.querySelector("table").innerText.split(/\\s+/);
        const lines = window.copied.split("\\n").slice(2);
        const cells = lines.flatMap((row) => row.split(/(?<!\\\\)\\|/));
        const numbers = cells.map((cell) => cell.trim().split(" ")[0]);
        const written = numbers.filter((word) => /^[\u2212+]?\\d+\\.\\d+$/.test(word));
        found.push(...written.filter((word) => !shown.includes(word)));
    }
    return found;
})()"""


def test_copies_for_people_have_the_digits_of_the_page(open_page: Open, index: Path) -> None:
    page = open_page(index, "?d=30").page
    page.evaluate(CATCH)
    page.locator("#leaderboard .cell").first.click()
    page.locator("#dialog tbody tr").first.wait_for()
    assert page.locator(".copying").count() >= 2
    csv = copied(page, "Copy Videos behind the number as CSV")
    assert all(len(word) < 16 for word in csv.split(",") if "." in word)
    assert page.evaluate(DIFFERENT) == []


def test_a_text_that_a_spreadsheet_would_run_is_inert(open_page: Open, index: Path) -> None:
    page = open_page(index, "methods?name=random").page
    page.evaluate(CATCH)
    page.evaluate("document.querySelector('table.plain td').textContent = '=1+1'")
    assert "'=1+1" in copied(page, "Copy Arguments as CSV")


def test_without_a_clipboard_a_copy_becomes_a_file(open_page: Open, index: Path) -> None:
    page = open_page(index, "methods?name=random").page
    page.evaluate("void (navigator.clipboard.writeText = async () => { throw new Error('none'); })")
    with page.expect_download() as download:
        page.get_by_role("button", name="Copy Arguments as CSV").click()
    assert download.value.suggested_filename == "Arguments.csv"
    assert download.value.path().read_text().startswith("Argument,Value\n")


def test_every_popup_has_an_address(open_page: Open, index: Path) -> None:
    page = open_page(index, "?d=30").page
    openers = ("#leaderboard .cell", "#leaderboard button.badge")
    for opener in openers:
        page.locator(opener).first.click()
        page.locator("#dialog h2").wait_for()
        title, address = page.locator("#dialog h2").inner_text(), page.url
        assert "popup=" in address
        page.keyboard.press("Escape")
        page.wait_for_timeout(50)
        assert "popup=" not in page.url and "d=30" in page.url
        other = open_page(index, address.partition("#/")[2]).page
        other.locator("#dialog h2").wait_for()
        assert other.locator("#dialog h2").inner_text() == title


def test_a_picture_of_the_whole_page_and_paper_are_complete(open_page: Open, index: Path) -> None:
    page = open_page(index).page
    page.locator("section[aria-labelledby=cost-title] circle").first.wait_for()
    page.locator("section[aria-labelledby=drift-title] .curve").first.wait_for()
    assert page.evaluate("window.scrollY") == 0
    assert page.evaluate("[...document.querySelectorAll('main img')].every((i) => i.complete)")
    page.pdf()
    page.locator("details:not([open])").first.wait_for(state="detached")
