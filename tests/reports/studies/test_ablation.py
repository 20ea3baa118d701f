"""Comparisons of an experiment on a hand-made run store."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from eval.statistics import MIN_CLUSTERS, NoInterval
from harness.core.errors import LongtakeError
from harness.store.frames import load_sweep
from reports.site.assets import Assets
from reports.site.build import ReportOptions, build_report
from reports.site.watch import watch
from reports.studies.ablation import ALL, compare_rows
from reports.studies.ablation_page import LEGEND, build_ablation, cells, markdown
from tests.reports.conftest import data_of
from tests.reports.experiment import AXIS, make_store, note_axis
from tests.reports.plain_pages import linked_beside_tables

pytestmark = pytest.mark.slow

PROMPTS = ["p1", "p2", "p3", "p4", "p5", "p6"]
OPTIONS = ReportOptions(assets=Assets.none)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Row "better" is higher by 0.1 on every prompt; "same" differs by nothing in the mean."""
    base = dict(zip(PROMPTS, (0.1, 0.5, 0.3, 0.9, 0.7, 0.2), strict=True))
    noise = dict(zip(PROMPTS, (0.05, -0.05, 0.02, -0.02, 0.01, -0.01), strict=True))
    rows = {
        "reference": base,
        "better": {prompt: value + 0.1 for prompt, value in base.items()},
        "same": {prompt: value + noise[prompt] for prompt, value in base.items()},
        "short": {"p1": 0.4},
    }
    return note_axis(make_store(tmp_path / "runs" / "exp", rows), list(rows))


def test_differences_are_paired_and_tested_together(store: Path) -> None:
    comparisons = compare_rows(load_sweep(store)).of(AXIS, 3.0, ALL)
    found = {c.row: c for c in comparisons if c.metric.name == "sky"}
    assert found["reference"].mean == pytest.approx(0.45)
    assert found["reference"].difference is None
    better, same, short = (found[row].difference for row in ("better", "same", "short"))
    assert better is not None and same is not None and short is not None
    assert better.mean == pytest.approx(0.1)
    # The same difference on every prompt: significant, and yet nothing to take an interval from.
    assert (better.interval, better.no_interval) == (None, NoInterval.few_differ)
    assert (found["better"].marks, found["better"].better) == (1, True)
    p = found["better"].p
    assert p is not None
    assert (p.single, p.table) == (2 / 2**6, 2 / 2**6)
    assert same.mean == pytest.approx(0, abs=1e-9)
    assert same.interval is not None and same.interval.low < 0 < same.interval.high
    assert found["same"].marks == 0
    # One common video: a difference, but no interval and no mark.
    assert (short.mean, short.interval) == (pytest.approx(0.3), None)
    assert (short.no_interval, found["short"].marks) == (NoInterval.few_prompts, 0)


@pytest.mark.parametrize(("num_prompts", "marks"), [(5, 0), (6, 1), (7, 1), (8, 2)])
def test_marks_need_prompts_enough_for_the_exact_test(
    tmp_path: Path, num_prompts: int, marks: int
) -> None:
    """Three rows better on every prompt: p is 2 / 2**n for each, corrected or not."""
    base = {f"p{n}": 0.1 * n for n in range(num_prompts)}
    rows = {
        f"row{step}": {
            prompt: value + step * (1 + n / 9) for n, (prompt, value) in enumerate(base.items())
        }
        for step in range(4)
    }
    store = note_axis(make_store(tmp_path / "few", rows), list(rows))
    rows_found = compare_rows(load_sweep(store)).of(AXIS, 3.0, ALL)
    found = [(row, row.difference) for row in rows_found if row.difference is not None]
    assert [row.marks for row, _ in found] == [marks] * 3
    assert [d.interval is None for _, d in found] == [num_prompts < MIN_CLUSTERS] * 3
    assert f"below {MIN_CLUSTERS} prompts" in LEGEND


def test_every_duration_has_a_table(tmp_path: Path) -> None:
    rows = {"one": dict.fromkeys(PROMPTS, 0.1), "two": dict.fromkeys(PROMPTS, 0.3)}
    store = note_axis(make_store(tmp_path / "long", rows, ("1", "whole")), list(rows))
    paths = build_report(store, options=OPTIONS)
    assert paths.ablations == (store / "report" / "ablation" / "index.html",)
    text = (paths.ablations[0].parent / "ablation.md").read_text()
    page = paths.ablations[0].read_text()
    for duration, stem in (("1 s", "1s"), ("whole length", "whole")):
        assert f"**{AXIS}** ({duration}, at least 6 videos of 6 prompts" in text
        assert f"Question &amp; answer, {duration}</h2>" in page
        assert (paths.ablations[0].parent / f"question_answer_{stem}.svg").is_file()


def test_several_experiments_of_one_report_have_a_folder_each(tmp_path: Path, store: Path) -> None:
    rows = {"one": {"p1": 0.1}, "two": {"p1": 0.3}}
    other = note_axis(make_store(tmp_path / "runs" / "other", rows), list(rows))
    paths = build_report([store, other], tmp_path / "site", OPTIONS)
    folder = tmp_path / "site" / "ablation"
    assert paths.ablations == (folder / "exp" / "index.html", folder / "other" / "index.html")
    assert "| better |" in (folder / "exp" / "ablation.md").read_text()
    assert "| better |" not in (folder / "other" / "ablation.md").read_text()
    # A live build keeps what is there.
    live = ReportOptions(assets=Assets.none, papers=False)
    assert build_report([store, other], tmp_path / "site", live).ablations == paths.ablations


def test_watching_ends_with_the_comparisons(store: Path) -> None:
    last = watch([store], None, OPTIONS, lambda paths: None, pytest.fail, lambda seconds: False)
    assert last is not None
    assert last.ablations == (store / "report" / "ablation" / "index.html",)


def test_an_experiment_with_nothing_to_compare_has_a_report(store: Path) -> None:
    for path in store.glob("metrics/*/*.json"):
        path.unlink()
    paths = build_report(store, options=OPTIONS)
    assert paths.ablations == ()
    warnings = data_of(paths.index, "site")["warnings"]
    assert any("nothing to compare yet" in warning for warning in warnings)


def test_files_of_the_report(store: Path, tmp_path: Path) -> None:
    page = build_ablation(load_sweep(store), tmp_path / "ablation")
    assert "Question &amp; answer" in page.read_text()
    linked_beside_tables(page)
    table = pd.read_csv(page.parent / "ablation.csv")
    line = table[(table["row"] == "better") & (table["backbone"] == ALL)].iloc[0]
    assert (line["difference"], line["no_interval"]) == (pytest.approx(0.1), "too few that differ")
    assert (line["p_table"], line["marks"]) == (2 / 2**6, 1)
    other = table[(table["row"] == "same") & (table["backbone"] == ALL)].iloc[0]
    # Its mean is 0, which no number of prompts detects.
    assert other["smallest_detectable"] > 0
    assert pd.isna(other["prompts_needed"])
    assert (page.parent / "question_answer.png").stat().st_size > 1000
    text = markdown(compare_rows(load_sweep(store)))
    assert "(+0.100, few differ)* |" in text
    assert re.search(r"\(\S+, \N{MINUS SIGN}0\.\d{3} to \+0\.\d{3}\) \|", text)
    assert text == (page.parent / "ablation.md").read_text()


def test_a_metric_without_values_has_no_line(store: Path) -> None:
    lines = cells(compare_rows(load_sweep(store)), AXIS, 3.0, ALL)
    assert len(lines) == 2  # nothing was retrieved: only the header and the one metric


def test_what_describes_a_video_has_no_arrow(store: Path) -> None:
    ablation = compare_rows(load_sweep(store))
    (info,) = (metric for metric in ablation.metrics if metric.name == "sky")
    for quality, title in ((True, f"{info.title} {info.arrow}"), (False, info.title)):
        shown = replace(ablation, metrics=(replace(info, quality=quality),))
        assert cells(shown, AXIS, 3.0, ALL)[1][0] == title


def test_a_sweep_that_is_no_experiment_is_refused(store: Path) -> None:
    (store / "experiment.json").unlink()
    with pytest.raises(LongtakeError, match="is not an experiment"):
        compare_rows(load_sweep(store))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"axes": {}}', "missing required field `name`"),
        ('{"name": "x", "axes": {"a": 1}}', r"got `int` at `axes\[...\]`"),
        ("{", "not valid JSON"),
    ],
)
def test_a_damaged_experiment_file_is_named_with_its_field(
    store: Path, text: str, message: str
) -> None:
    (store / "experiment.json").write_text(text)
    with pytest.raises(LongtakeError, match=rf"experiment\.json: .*{message}"):
        compare_rows(load_sweep(store))
