from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.load import load_sweep
from reports.plots import drift_points, write_plots
from reports.style import PALETTE, strokes


def test_drift_point_is_the_mean_over_videos(pristine_store: Path) -> None:
    sweep = load_sweep(pristine_store)
    points = drift_points(sweep)
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
        drift_points(load_sweep(store))
        .query("metric == 'subject'")
        .groupby(["backbone", "method"])["second"]
        .size()
    )
    assert counts["tiny_short", "random"] == 29
    assert counts["tiny_long", "random"] == 30


def test_one_figure_per_metric_with_a_curve_and_an_overview(
    pristine_store: Path, tmp_path: Path
) -> None:
    plots = write_plots(load_sweep(pristine_store), tmp_path)
    stems = [plot.files[0].stem for plot in plots]
    assert stems == [
        "drift_offline",
        "drift_offline_subject",
        "drift_offline_flicker",
        "drift_offline_hits",
    ]
    assert all(path.stat().st_size > 1000 for plot in plots for path in plot.files)


def test_dark_figure_differs_only_in_ink(pristine_store: Path, tmp_path: Path) -> None:
    light, dark, _ = write_plots(load_sweep(pristine_store), tmp_path)[0].files
    assert "#1c2024" in light.read_text()
    assert "#1c2024" not in dark.read_text()
    assert len(light.read_text()) == len(dark.read_text())


def test_labels_are_no_formulas(store: Path, tmp_path: Path) -> None:
    units = store / "units.jsonl"
    units.write_text(units.read_text().replace('"random"', '"$\\\\frac{$_x"'))
    sweep = load_sweep(store)
    assert "$\\frac{$_x" in sweep.methods
    assert write_plots(sweep, tmp_path)


def test_strokes_stay_apart_beyond_the_palette() -> None:
    names = [f"{method}{i}" for i in range(8) for method in ("rag", "random", "recency")]
    look = strokes(names)
    assert len(set(look.values())) == len(names)
    assert look[names[0]].colour == PALETTE[0]
