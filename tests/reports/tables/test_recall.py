from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from eval.statistics import bootstrap_interval, mean_and_stderr
from harness.store.frames import Sweep, load_sweep
from reports.tables.comparison import compare_all
from reports.tables.export import write_recall
from reports.tables.recall import recall_points
from tests.reports.more_prompts import more_prompts


@pytest.fixture
def sweep(pristine_store: Path) -> Sweep:
    return load_sweep(pristine_store)


def line(points: pd.DataFrame, method: str, age_s: float) -> pd.Series:
    found = points[
        (points["backbone"] == "tiny_short")
        & (points["method"] == method)
        & (points["age_s"] == age_s)
    ]
    assert len(found) == 1
    return found.iloc[0]


def test_points_are_the_means_by_age_in_the_longest_duration(sweep: Sweep) -> None:
    points = recall_points(sweep, compare_all(sweep))
    assert set(points["metric"]) == {"subject"} and set(points["duration_s"]) == {60.0}
    # At 60 s, rag: 0.85 - 0.125 and the deviations of p0 (0, 0.1) and p1 (-0.1, -0.1).
    first, second = (line(points, "rag layout=aged", age_s) for age_s in (6, 12))
    assert first["mean"] == pytest.approx(0.725 - 0.025)
    assert (first["num_prompts"], first["num_videos"]) == (2, 4)
    assert second["mean"] == pytest.approx(0.725 - 0.1 - 0.25)
    assert (second["num_prompts"], second["num_videos"]) == (1, 2)
    assert first["no_interval"] == "too few prompts" and pd.isna(first["low"])


def test_neighbouring_ages_are_pooled_until_they_have_an_interval(sweep: Sweep) -> None:
    few = more_prompts(sweep, 4)
    points = recall_points(few, compare_all(few))
    # 8 prompts after 6 s; of 4 of them also after 12 s, too few for a point of their own.
    assert set(points["from_s"]) == {6} and set(points["to_s"]) == {12}
    assert set(points["num_prompts"]) == {8}
    many = more_prompts(sweep, 6)
    points = recall_points(many, compare_all(many))
    assert sorted(set(points["age_s"])) == [6, 12]
    alone = line(points, "random", 12)
    units = many.units.query("backbone == 'tiny_short' and method == 'random'")
    ages = many.ages.query("age_s == 12 and duration_s == 60")
    ages = ages.merge(units[["unit_id", "prompt_id"]], on="unit_id")
    values, prompts = ages["value"].tolist(), ages["prompt_id"].tolist()
    assert alone["mean"] == pytest.approx(mean_and_stderr(values, prompts).mean)
    assert (alone["low"], alone["high"]) == pytest.approx(bootstrap_interval(values, prompts))


def test_an_age_that_one_method_lacks_counts_for_none(sweep: Sweep) -> None:
    lacking = sweep.ages["unit_id"].eq("tiny_short-random-p1-0") & sweep.ages["age_s"].eq(12)
    points = recall_points(replace(sweep, ages=sweep.ages[~lacking]), compare_all(sweep))
    for method in ("sliding_window", "rag layout=aged", "random"):
        assert line(points, method, 12)["num_videos"] == 1


def test_a_sweep_without_ages_has_no_points_and_no_file(sweep: Sweep, tmp_path: Path) -> None:
    without = replace(sweep, ages=sweep.ages.head(0))
    points = recall_points(without, compare_all(without))
    assert points.empty
    assert write_recall(points, tmp_path) == []


def test_points_are_rows_of_the_exported_tables(sweep: Sweep, tmp_path: Path) -> None:
    points = recall_points(sweep, compare_all(sweep))
    csv, parquet = write_recall(points, tmp_path)
    assert (csv.name, parquet.name) == ("recall.csv", "recall.parquet")
    assert pd.read_csv(csv)["mean"].tolist() == points["mean"].tolist()
    assert len(pd.read_parquet(parquet)) == len(points) == 12
