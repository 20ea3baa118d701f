"""Published numbers. The numbers and papers in this file are invented, but for field_2026."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from eval.metric import Direction, Kind, MetricInfo
from eval.statistics import Interval
from harness.core.errors import LongtakeError
from reports.papers.quoted import Quoted
from reports.papers.quoted_files import load_quoted
from reports.papers.spread import Measured, spreads
from reports.site.build import ReportOptions, build_report
from reports.tables.table import Cell, Comparison, Group, Row
from tests.reports.conftest import Opened, data_of

FICTION = """\
title: A made-up table
source: "Nobody et al., An Imaginary Paper (2099), Table 7"
link: https://example.org/imaginary
hand: first
duration_s: 30
protocol: {prompts: 11 imaginary prompts, clips: vbench_long}
metrics: [subject_consistency, {name: quality, title: "Quality <b>", low: 0, high: 100}]
rows:
  - {backbone: Imaginary, method: Dreaming, values: [12.5, 99]}
  - {backbone: Imaginary, method: Waking, duration_s: null, values: [11, null], note: half asleep}
"""
SIX = "subject_consistency, background_consistency, motion_smoothness, dynamic_degree"
SIX += ", aesthetic_quality, imaging_quality"
TWO_PAPERS = f"""\
tables:
- id: first
  source: One
  hand: first
  ranked: table
  duration_s: 60
  protocol: {{prompts: p, clips: vbench_long}}
  metrics: [{SIX}, mean_of_six, average_rank]
  rows:
  - {{backbone: A, method: native, values: [96, 95, 94, 50, 60, 70, 77.5, 1.08]}}
  - {{backbone: B, method: native, values: [95, 94, 93, 50, 50, 60, 73.67, 1.92]}}
- id: second
  source: Two
  hand: first
  duration_s: 60
  protocol: {{prompts: p, clips: vbench_long}}
  metrics: [{SIX}]
  rows:
  - {{backbone: A, method: native, values: [98, 95.5, 94, 40, 61, 71]}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fiction.yaml"
    path.write_text(FICTION)
    return path


@pytest.fixture(scope="module")
def field_2026() -> Quoted:
    return load_quoted([Path("field_2026")])


def test_table_is_read_with_its_source(file: Path) -> None:
    (table,) = load_quoted([file]).tables
    assert table.source.startswith("Nobody et al.")
    assert table.rows[0].values == {"subject_consistency": 12.5, "quality": 99.0}
    assert table.rows[1].values == {"subject_consistency": 11.0}
    assert [row.duration_s for row in table.rows] == [30, None]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('source: "Nobody et al., An Imaginary Paper (2099), Table 7"', "", "source is missing"),
        ("https://example.org/imaginary", "'javascript:alert(1)'", "not an http or https address"),
        ("https://example.org/imaginary", "'http://[x'", "not an http or https address"),
        ("[12.5, 99]", f"[{'9' * 400}, 99]", "an integer of 1329 bits"),
        ("duration_s: 30", f"duration_s: 0x{'f' * 5000}", "an integer of 20000 bits"),
        ("protocol", "protocoll", "Did you mean 'protocol'"),
        (
            "protocol: {prompts: 11 imaginary prompts, clips: vbench_long}",
            "",
            "protocol is missing",
        ),
        ("prompts: 11 imaginary prompts, ", "", "prompts is missing"),
        ("clips: vbench_long", "clips: vbench", "clips is 'vbench', expected one of vbench_long"),
        ("hand: first", "hand: third", "expected one of first, second"),
        ("[subject_con", "[subjct_con", "Did you mean 'subject_consistency'"),
        ("[12.5, 99]", "[good, 99]", "row 1: subject_consistency is 'good', expected a number"),
        ("[12.5, 99]", "[true, 99]", "expected a number"),
        ("[12.5, 99]", "[.nan, 99]", "expected a number"),
        ("[12.5, 99]", "[12.5]", "1 values, but 2 columns"),
        ("[12.5, 99]", "[112.5, 99]", "subject_consistency is 112.5, expected 0 to 100"),
        ("hand: first", "hand: first\nunit: share", "is 12.5, expected 0 to 1"),
        ("low: 0", "low: 100", "quality is 99, expected 100 to 100"),
        ("Waking, duration_s: null", "Dreaming", "Imaginary Dreaming: twice in one table"),
        ("method: Waking", "note: x", "not readable YAML|row 2: method is missing"),
        ("duration_s: 30", "duration_s: long", "expected a number"),
        ("duration_s: 30", "duration_s: -1", "expected seconds above 0"),
        ("rows:", "rows: 3\nother:", "unknown key 'other'"),
        ("metrics: [", "metrics: {[", "not readable YAML"),
        ("values: [11,", "swapped: [quality, quality], values: [11,", "two columns that the row"),
        ("note: half", "copied_from: nowhere, note: half", "no such row in 'nowhere'"),
    ],
)
def test_mistake_is_named_with_its_place(file: Path, old: str, new: str, said: str) -> None:
    assert old in FICTION
    file.write_text(FICTION.replace(old, new))
    with pytest.raises(LongtakeError) as error:
        load_quoted([file])
    assert any(part in str(error.value) for part in said.split("|")), error.value
    assert "fiction.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("77.5", "77.4", "A native: mean_of_six is 77.4, but its columns give 77.50"),
        ("1.08", "1.25", "average_rank is 1.25, but the columns give 1.00 to 1.17"),
        ("  ranked: table\n", "", "average_rank needs `ranked`"),
        ("id: second", "id: first", "two tables have the id 'first'"),
        ("[98, 95.5, 94, 40, 61, 71]", "[96, 95, 94, 50, 60, 70]", "say copied_from: first"),
        (
            "[98, 95.5, 94, 40, 61, 71]",
            "[95, 96, 94, 40, 61, 71]",
            "subject_consistency and background_consistency look swapped against first",
        ),
        (
            "values: [98, 95.5, 94, 40",
            "copied_from: first, values: [98, 95.5, 94, 40",
            "subject_consistency is 98, but 96 in first",
        ),
    ],
)
def test_tables_are_checked_against_themselves_and_each_other(
    file: Path, old: str, new: str, said: str
) -> None:
    file.write_text(TWO_PAPERS)
    load_quoted([file])
    assert old in TWO_PAPERS
    file.write_text(TWO_PAPERS.replace(old, new))
    with pytest.raises(LongtakeError) as error:
        load_quoted([file])
    assert said in str(error.value)


def test_missing_file_names_what_comes_with_longtake(tmp_path: Path) -> None:
    with pytest.raises(LongtakeError, match=r"no such file\. .*field_2026"):
        load_quoted([tmp_path / "x.yaml"])
    with pytest.raises(LongtakeError, match="Did you mean 'field_2026'"):
        load_quoted([Path("field_2025")])


def test_shipped_tables_hold_what_papers_print(field_2026: Quoted) -> None:
    assert sum(len(table.rows) for table in field_2026.tables) == 103
    assert {table.hand for table in field_2026.tables} == {"first", "second"}
    by_id = {table.id: table for table in field_2026.tables}
    framemorrow = {row.key: row.values for row in by_id["framemorrow_60"].rows}
    assert framemorrow["LongLive", "LongLive-RAG", 60]["average_rank"] == 2.25
    (swapped,) = [row for table in field_2026.tables for row in table.rows if row.swapped]
    assert swapped.key == ("Self-Forcing", "native", 60)


def test_spread_counts_measurements_and_not_copies(field_2026: Quoted) -> None:
    found = {(s.backbone, s.method, s.duration_s, s.clips): s for s in spreads(field_2026, [])}
    subject = found["LongLive", "native", 60, "vbench_long"].metrics[0]
    assert [one.value for one in subject.reported] == [97.13, 97.39, 97.85]
    assert subject.measured == ()


def test_spread_brings_tables_of_one_protocol_together(field_2026: Quoted) -> None:
    others = [
        replace(
            table,
            title=f"{table.title}, whole",
            protocol=replace(table.protocol, clips="whole_video"),
        )
        for table in field_2026.tables
    ]
    both = replace(field_2026, tables=(*field_2026.tables, *others))
    clips = {table.title: table.protocol.clips for table in both.tables}
    found = {
        (spread.clips, clips[one.table])
        for spread in spreads(both, [])
        for metric in spread.metrics
        for one in metric.reported
    }
    assert found >= {("vbench_long", "vbench_long"), ("whole_video", "whole_video")}
    assert all(of_spread == of_table for of_spread, of_table in found)


def test_own_interval_stands_beside_the_same_model_only(field_2026: Quoted) -> None:
    info = MetricInfo(
        "subject_consistency", "Subject", Direction.higher, "", "", kind=Kind.vbench_long
    )
    cell = Cell(mean=0.975, interval=Interval(0.97, 0.98), num_prompts=16)
    rows = [Row(b, "sliding_window", "p", cells={info.name: cell}) for b in ("longlive", "tiny")]
    group = Group("longlive", "p", tuple(rows), (), (), None)
    table = Comparison("vbench_long", "1", 60.0, (info,), (group,))
    found = spreads(field_2026, [table])
    measured = [one for s in found for metric in s.metrics for one in metric.measured]
    assert measured == [Measured("sliding_window on longlive", 97.5, 97.0, 98.0, 16)]
    proxy = replace(table, metrics=(replace(info, kind=Kind.proxy),))
    for other in (proxy, replace(table, duration_s=45.0)):
        assert not any(m.measured for s in spreads(field_2026, [other]) for m in s.metrics)


def test_quoted_numbers_are_separate_and_have_no_rank(
    file: Path, store: Path, open_page: Callable[..., Opened]
) -> None:
    options = ReportOptions(papers=False, quoted=(file, Path("field_2026")))
    index = build_report(store, options=options).index
    site = data_of(index, "site")
    assert site["quoted"][0]["rows"][0]["values"] == {"subject_consistency": 12.5, "quality": 99.0}
    assert "12.5" not in str(site["boards"])
    page = open_page(index).page
    assert "Dreaming" not in page.locator("main").inner_text()
    page.locator("label", has_text="Reported elsewhere").click()
    text = page.locator("#leaderboard").inner_text()
    assert "Nobody et al." in text and "Quality <b>" in text and "they have no rank" in text
    assert "97.13 to 97.85" in text and "subject consistency and background" in text
    assert "sliding_window" not in text
    assert page.locator("#leaderboard th button, #leaderboard .best").count() == 0
    assert page.locator("#leaderboard a[href^='https://example.org']").get_attribute("rel")
    assert page.locator("#cost-title, #drift-title").count() == 0
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.locator("#orders-quoted").wait_for()
    figure = page.locator("figure", has_text="FRAMEMORROW, 60 s: LongLive")
    assert "The winner depends on the aggregate" in page.locator("main").inner_text()
    figure.get_by_role("button", name="Mean of six").click()
    rows = figure.locator("tbody th").all_inner_texts()
    assert rows.index("Infinity-RoPE") < rows.index("LongLive-RAG")
