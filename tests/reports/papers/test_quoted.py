"""Published numbers. All numbers and papers in this file are invented."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.errors import LongtakeError
from reports.papers.quoted import load_quoted
from reports.site.build import ReportOptions, build_report
from tests.reports.conftest import Opened, data_of

FICTION = """\
title: A made-up table
source: "Nobody et al., An Imaginary Paper (2099), Table 7"
link: https://example.org/imaginary
protocol: 30 s, 11 imaginary prompts
metrics: {subject: Subject consistency, quality: "Quality <b>"}
rows:
  - {backbone: Imaginary, method: Dreaming, duration_s: 30, values: {subject: 12.5, quality: 99}}
  - {backbone: Imaginary, method: Waking, values: {subject: 11}, note: only half asleep}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fiction.yaml"
    path.write_text(FICTION)
    return path


def test_table_is_read_with_its_source(file: Path) -> None:
    (table,) = load_quoted([file])
    assert table.source.startswith("Nobody et al.")
    assert table.rows[0].values == {"subject": 12.5, "quality": 99.0}
    assert (table.rows[1].duration_s, table.rows[1].note) == (None, "only half asleep")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('source: "Nobody et al., An Imaginary Paper (2099), Table 7"', "", "source is missing"),
        ("https://example.org/imaginary", "'javascript:alert(1)'", "not an http or https address"),
        ("protocol", "protocoll", "Did you mean 'protocol'"),
        ("subject: 12.5", "subjct: 12.5", "Did you mean 'subject'"),
        ("subject: 12.5", "subject: good", "row 1: subject is 'good', expected a number"),
        ("subject: 12.5", "subject: true", "expected a number"),
        ("method: Waking", "duration_s: 1", "row 2: method is missing"),
        ("duration_s: 30", "duration_s: long", "expected seconds"),
        ("rows:", "rows: 3\nother:", "unknown key 'other'"),
        ("metrics: {", "metrics: [{", "not readable YAML"),
    ],
)
def test_mistake_is_named_with_its_place(file: Path, old: str, new: str, said: str) -> None:
    assert old in FICTION
    file.write_text(FICTION.replace(old, new))
    with pytest.raises(LongtakeError) as error:
        load_quoted([file])
    assert said in str(error.value)
    assert "fiction.yaml" in str(error.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LongtakeError, match="no such file"):
        load_quoted([tmp_path / "x.yaml"])


def test_quoted_numbers_are_separate_and_have_no_rank(
    file: Path, store: Path, open_page: Callable[..., Opened]
) -> None:
    options = ReportOptions(papers=False, quoted=(file,))
    index = build_report(store, options=options).index
    site = data_of(index, "site")
    assert site["quoted"][0]["rows"][0]["values"] == {"subject": 12.5, "quality": 99.0}
    assert "12.5" not in str(site["boards"])
    page = open_page(index).page
    assert "Dreaming" not in page.locator("main").inner_text()
    page.locator("label", has_text="Reported elsewhere").click()
    text = page.locator("#leaderboard").inner_text()
    assert "Nobody et al." in text and "Quality <b>" in text and "they have no rank" in text
    assert "sliding_window" not in text
    assert page.locator("#leaderboard th button, #leaderboard .best").count() == 0
    assert page.locator("#leaderboard a[href^='https://example.org']").get_attribute("rel")
    assert page.locator("#cost-title, #drift-title").count() == 0
