from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from eval.statistics import mean_and_stderr
from harness.store.frames import Sweep, load_sweep
from reports.site import drawing
from reports.site.build import ReportPaths
from reports.site.plots import Shown, write_plots
from reports.site.style import PALETTE, strokes
from reports.tables.comparison import compare_all
from reports.tables.drift_tables import drift_tables

pytestmark = pytest.mark.slow


def points_of(sweep: Sweep) -> pd.DataFrame:
    return drift_tables(sweep, compare_all(sweep)).points


def test_drift_point_is_the_mean_over_videos(pristine_store: Path) -> None:
    sweep = load_sweep(pristine_store)
    points = points_of(sweep)
    chosen = points[
        (points["metric"] == "subject")
        & (points["backbone"] == "tiny_short")
        & (points["method"] == "random")
    ]
    assert chosen["second"].tolist()[:2] == [1.0, 3.0]
    assert len(chosen) == 30
    units = sweep.units.query("backbone == 'tiny_short' and method == 'random'")["unit_id"]
    curves = sweep.curves.query("metric == 'subject' and start_s == 0")
    values = curves[curves["unit_id"].isin(units)]["value"]
    assert chosen["mean"].iloc[0] == pytest.approx(values.mean())


def test_line_stops_where_a_video_has_no_value(store: Path) -> None:
    path = store / "metrics/offline" / "tiny_short-random-p0-0.json"
    content = json.loads(path.read_text())
    content["metrics"]["subject"]["curve"][-1] = None
    path.write_text(json.dumps(content))
    counts = (
        points_of(load_sweep(store))
        .query("metric == 'subject'")
        .groupby(["backbone", "method"])["second"]
        .size()
    )
    assert counts["tiny_short", "random"] == 29
    assert counts["tiny_long", "random"] == 30


def test_lines_are_over_the_compared_pairs_alone(pristine_store: Path) -> None:
    """(p2, 1) failed in one row of tiny_long, so it counts in none of them."""
    sweep = load_sweep(pristine_store)
    points = points_of(sweep)
    for backbone, pairs in (("tiny_short", 6), ("tiny_long", 5)):
        units = sweep.units.query(f"backbone == '{backbone}' and method == 'sliding_window'")
        kept = units["unit_id"].head(pairs)  # the last pair is (p2, 1)
        curves = sweep.curves.query("metric == 'subject' and start_s == 0")
        values = curves[curves["unit_id"].isin(kept)].merge(units, on="unit_id")
        estimate = mean_and_stderr(values["value"].tolist(), values["prompt_id"].tolist())
        point = points.query(
            f"metric == 'subject' and backbone == '{backbone}' and method == 'sliding_window'"
        ).iloc[0]
        assert point["mean"] == pytest.approx(estimate.mean)
        assert point["stderr"] == pytest.approx(estimate.stderr)


def test_one_figure_per_metric_with_a_curve_and_an_overview(whole_report: ReportPaths) -> None:
    stems = list(dict.fromkeys(path.stem for path in whole_report.plots))
    assert stems == [
        "drift_offline",
        "drift_offline_subject",
        "drift_offline_flicker",
        "drift_offline_hits",
        "cost_offline_30s",
        "cost_offline_60s",
    ]
    assert [path.suffix for path in whole_report.plots] == [".svg", ".pdf", ".png"] * len(stems)
    assert all(path.stat().st_size > 1000 for path in whole_report.plots)


def test_labels_are_no_formulas_and_only_new_numbers_are_drawn(store: Path, tmp_path: Path) -> None:
    units = store / "units.jsonl"
    units.write_text(units.read_text().replace('"random"', '"$\\\\frac{$_x"'))
    sweep = load_sweep(store)
    assert "$\\frac{$_x" in sweep.methods
    points = points_of(sweep).query("metric == 'subject'")
    shown = Shown(sweep.methods, sweep.metrics, compare_all(sweep)[:1], points)
    plots = write_plots(shown, tmp_path)
    stems = [plot.files[0].stem for plot in plots]
    assert stems == ["drift_offline", "drift_offline_subject", "cost_offline_30s"]
    # Again with other numbers at 30 s and a lost file: what both leave alone is not drawn.
    known, drawn = {plot.files[0].stem: plot.digest for plot in plots}, []
    (lost := plots[1].files[2]).unlink()
    at_60 = replace(shown, comparisons=compare_all(sweep)[1:])
    again = write_plots(at_60, tmp_path, known, lambda *step: drawn.append(step[1]))
    assert [plot.files[0].stem for plot in again] == [*stems[:2], "cost_offline_60s"]
    assert drawn == [1, 2] and lost.is_file()
    moved = replace(shown, comparisons=[], points=points.assign(mean=0.5))
    other = write_plots(moved, tmp_path, known)
    assert {plot.digest for plot in other}.isdisjoint(known.values())


def test_a_second_process_draws_the_same_and_leaves_what_it_cannot(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = load_sweep(store)
    points = points_of(sweep).query("metric == 'subject'")
    shown = Shown(sweep.methods, sweep.metrics, compare_all(sweep)[:1], points)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    plots = write_plots(shown, here)
    monkeypatch.setattr(drawing, "num_cores", lambda: 2)
    with drawing.second_process(drawing.MIN_UNITS) as second:
        second.start(shown, there, {})
        assert second.drawn() == {plot.files[0].stem: plot.digest for plot in plots}
    files = sorted(path.name for plot in plots for path in plot.files)
    assert sorted(path.name for path in there.iterdir()) == files
    assert all((there / name).read_bytes() == (here / name).read_bytes() for name in files)
    with drawing.second_process(drawing.MIN_UNITS) as second:
        second.start(shown, tmp_path / "missing", {})
        assert second.drawn() == {}
    with drawing.second_process(drawing.MIN_UNITS - 1) as second:
        second.start(shown, there, {})
        assert second.drawn() == {}


def test_a_second_process_that_ends_early_leaves_all_to_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "num_cores", lambda: 2)
    monkeypatch.setattr(drawing, "_COMMAND", "raise SystemExit(3)")
    long = {str(number): "digest" for number in range(100_000)}  # more than a pipe holds
    for earlier in ({}, long):
        with drawing.second_process(drawing.MIN_UNITS) as second:
            second.start(Shown([], {}, [], pd.DataFrame()), tmp_path, earlier)
            assert second.drawn() == {}


def test_names_of_any_kind_make_figures_without_a_warning(store: Path, tmp_path: Path) -> None:
    names = ("_hidden", 'a/b"<=\n\N{GRINNING FACE}', "x" * 300)
    lines = (store / "units.jsonl").read_text()
    for method, name in zip(("sliding_window", "rag layout=aged", "random"), names, strict=True):
        lines = lines.replace(json.dumps(method), json.dumps(name))
    (store / "units.jsonl").write_text(lines)
    sweep = load_sweep(store)
    assert set(names) <= set(sweep.methods)
    tables, points = compare_all(sweep)[:1], points_of(sweep).query("metric == 'subject'")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots = write_plots(Shown(sweep.methods, sweep.metrics, tables, points), tmp_path)
    assert all(path.is_file() and path.parent == tmp_path for plot in plots for path in plot.files)
    legend = plots[0].files[0].read_text()
    assert "<!-- _hidden -->" in legend and f"<!-- {'x' * 59}… -->" in legend


def test_strokes_stay_apart_beyond_the_palette() -> None:
    names = [f"{method}{i}" for i in range(8) for method in ("rag", "random", "recency")]
    look = strokes(names)
    assert len(set(look.values())) == len(names)
    assert look[names[0]].colour == PALETTE[0]
