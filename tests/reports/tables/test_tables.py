from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metric import Kind
from eval.statistics import Interval
from harness.core.errors import LongtakeError
from harness.store.frames import load_sweep
from reports.tables.comparison import compare, compare_all, timing_table
from reports.tables.export import markdown, write_tables
from reports.tables.formatting import DASH, MINUS, column_decimals, number, with_error
from reports.tables.table import Comparison, Row
from tests.reports.synthetic import add_vbench_suite, freeze

METHODS = ("sliding_window", "rag layout=aged", "random")


@pytest.fixture
def comparison(pristine_store: Path) -> Comparison:
    return compare(load_sweep(pristine_store), "offline", 30.0)


def row_of(comparison: Comparison, backbone: str, method: str) -> Row:
    (row,) = [r for r in comparison.rows if (r.backbone, r.method) == (backbone, method)]
    return row


def test_one_table_per_suite_and_duration(pristine_store: Path) -> None:
    tables = compare_all(load_sweep(pristine_store))
    assert [table.name for table in tables] == ["offline_30s", "offline_60s"]
    assert all(len(table.rows) == 6 for table in tables)


def test_mean_and_clustered_standard_error(comparison: Comparison) -> None:
    cell = row_of(comparison, "tiny_short", "sliding_window").cells["subject"]
    assert cell.mean == pytest.approx(0.8)
    # Deviations sum to 0.1, -0.2, 0.1 by prompt: 3/2 * (0.01 + 0.04 + 0.01) / 6^2 = 0.05^2.
    assert cell.stderr == pytest.approx(0.05)
    assert (cell.num_prompts, cell.num_videos) == (3, 6)


def test_ranks_honour_direction_and_share_ties(comparison: Comparison) -> None:
    rows = [row_of(comparison, "tiny_short", method) for method in METHODS]
    assert [row.cells["subject"].rank for row in rows] == [2.5, 1.0, 2.5]
    assert [row.cells["flicker"].rank for row in rows] == [1.0, 3.0, 2.0]


def test_average_rank_leaves_out_metrics_some_row_lacks(comparison: Comparison) -> None:
    rows = [row_of(comparison, "tiny_short", method) for method in METHODS]
    assert [row.average_rank for row in rows] == [1.75, 2.0, 2.25]
    assert [row.cells["hits"].rank for row in rows] == [None] * 3


def test_null_metric_has_its_reason_and_no_number(comparison: Comparison) -> None:
    cell = row_of(comparison, "tiny_short", "random").cells["text"]
    assert (cell.mean, cell.stderr, cell.rank, cell.best) == (None, None, None, False)
    assert cell.reason == "needs weights that are not installed"


def test_frozen_videos_leave_means_and_ranks_and_are_named(store: Path) -> None:
    freeze(store, "random", "p0")
    table = compare(load_sweep(store), "offline", 30.0)
    (group,) = [g for g in table.groups if g.backbone == "tiny_short"]
    random = row_of(table, "tiny_short", "random")
    assert (random.num_videos, random.num_frozen, random.complete) == (6, 2, False)
    # The other rows are compared over the same four videos, whose deviations sum to -0.1.
    assert group.pairs == (("p1", 0), ("p1", 1), ("p2", 0), ("p2", 1))
    means = [row.cells["subject"].mean for row in group.rows]
    assert means == [pytest.approx(value - 0.1 / 4) for value in (0.8, 0.85, 0.8)]
    named = "tiny_short, random: 2 of 6 videos are frozen (p0 seed 0, p0 seed 1)."
    assert named in markdown(table)


def test_row_of_mostly_frozen_videos_competes_for_no_rank(store: Path) -> None:
    freeze(store, "random", "p0", "p1")
    row = row_of(compare(load_sweep(store), "offline", 30.0), "tiny_short", "random")
    assert (row.competes, row.average_rank) == (False, None)
    cell = row.cells["subject"]
    assert (cell.mean, cell.best, cell.rank) == (None, False, None)
    assert cell.reason == "4 of 6 videos are frozen, so not compared"


def test_nothing_is_ranked_where_every_video_is_frozen(store: Path) -> None:
    for method in METHODS:
        freeze(store, method, "p0", "p1", "p2")
    table = compare(load_sweep(store), "offline", 30.0)
    rows = [row for row in table.rows if row.backbone == "tiny_short"]
    assert [row.num_frozen for row in rows] == [6, 6, 6]
    assert not any(row.competes or row.cells["subject"].best for row in rows)


def test_row_with_fewer_videos_is_marked(comparison: Comparison) -> None:
    partial = row_of(comparison, "tiny_long", "random")
    assert (partial.num_prompts, partial.num_videos, partial.complete) == (3, 5, False)
    assert [row.complete for row in comparison.rows].count(False) == 1
    assert partial.competes


def test_rows_of_equal_size_over_different_prompts_are_both_marked(store: Path) -> None:
    for method, prompt_id in (("sliding_window", "p0"), ("random", "p1")):
        for seed in (0, 1):
            unit = f"tiny_short-{method}-{prompt_id}-{seed}"
            (store / "units" / unit / "record.json").unlink()
    table = compare(load_sweep(store), "offline", 30.0)
    rows = [row_of(table, "tiny_short", method) for method in METHODS]
    assert [row.num_videos for row in rows] == [4, 6, 4]
    assert [row.complete for row in rows] == [False, True, False]


def test_row_without_any_video_takes_no_metric_out_of_the_ranking(store: Path) -> None:
    for path in store.glob("units/tiny_short-sliding_window-*/record.json"):
        path.unlink()
    table = compare(load_sweep(store), "offline", 30.0)
    empty = row_of(table, "tiny_short", "sliding_window")
    assert (empty.average_rank, empty.num_videos) == (None, 0)
    assert empty.cells["subject"].reason == "no finished and evaluated video"
    assert row_of(table, "tiny_short", "random").cells["hits"].rank == 1.5


def test_value_missing_in_some_videos_is_counted_and_explained(store: Path) -> None:
    path = store / "metrics/offline" / "tiny_short-random-p0-0.json"
    content = json.loads(path.read_text())
    content["metrics"]["subject"]["durations"]["30"] = None
    content["metrics"]["subject"]["reason"] = "too dark"
    path.write_text(json.dumps(content))
    cell = row_of(compare(load_sweep(store), "offline", 30.0), "tiny_short", "random").cells[
        "subject"
    ]
    assert (cell.num_videos, cell.reason) == (5, "too dark")
    assert cell.mean == pytest.approx(0.8)


def test_speed_and_memory(comparison: Comparison) -> None:
    row = row_of(comparison, "tiny_short", "sliding_window")
    assert row.frames_per_s == pytest.approx(957 / 87)
    assert (row.peak_host_mib, row.peak_device_mib) == (901.0, None)


def test_timing_table_has_a_line_per_row(pristine_store: Path) -> None:
    table = timing_table(load_sweep(pristine_store))
    assert table["num_videos"].tolist() == [6, 6, 6, 6, 6, 5]
    assert table["steady_block"].tolist() == [0.75] * 6


def test_resumed_unit_counts_for_scores_but_not_for_speed(store: Path) -> None:
    path = store / "units/tiny_short-random-p0-0/record.json"
    record = json.loads(path.read_text())
    record["generation"]["timings_s"] |= {"replay": 5.0, "end_to_end": 1.0}
    path.write_text(json.dumps(record))
    sweep = load_sweep(store)
    row = row_of(compare(sweep, "offline", 30.0), "tiny_short", "random")
    assert (row.num_videos, row.frames_per_s) == (6, pytest.approx(957 / 99))
    assert timing_table(sweep)["num_videos"].tolist() == [6, 6, 5, 6, 6, 5]


def test_csv_keeps_full_precision(pristine_store: Path, tmp_path: Path) -> None:
    sweep = load_sweep(pristine_store)
    tables = compare_all(sweep)
    written = write_tables(sweep, tables, tmp_path)
    read = pd.read_csv(io.StringIO((tmp_path / "offline_30s.csv").read_text()))
    assert read["subject"].tolist() == [row.cells["subject"].mean for row in tables[0].rows]
    assert read["text"].isna().all()
    assert {path.suffix for path in written} == {".csv", ".parquet", ".md"}


def test_markdown_has_errors_and_marks_partial_rows(comparison: Comparison) -> None:
    table = markdown(comparison)
    assert "| tiny\\_long |  | random † |" in table
    assert "0.850 ± 0.050" in table and "**" not in table  # of three prompts nothing is tested
    assert len({line.count(" | ") for line in table.splitlines() if line.startswith("|")}) == 1


@given(st.floats(min_value=1e-3, max_value=1e6))
def test_columns_show_four_significant_digits(value: float) -> None:
    shown = float(number(value, column_decimals([value, None])))
    assert math.isclose(shown, value, rel_tol=1e-3)


def test_both_backbones_are_ranked_apart(comparison: Comparison) -> None:
    for backbone in ("tiny_short", "tiny_long"):
        row = row_of(comparison, backbone, "rag layout=aged")
        assert row.cells["subject"].rank == 1.0
        assert row.cells["subject"].mean == pytest.approx(0.85)


def test_parquet_files_hold_what_csv_files_hold(pristine_store: Path, tmp_path: Path) -> None:
    sweep = load_sweep(pristine_store)
    written = write_tables(sweep, compare_all(sweep), tmp_path)
    parquets = [path for path in written if path.suffix == ".parquet"]
    assert {path.stem for path in parquets} == {
        *("offline_30s", "offline_60s", "units", "scores", "timings", "curves")
    }
    for path in parquets:
        if path.stem != "curves":
            read = pd.read_csv(path.with_suffix(".csv"))
            assert list(pd.read_parquet(path).columns) == list(read.columns)
            assert len(pd.read_parquet(path)) == len(read)
    curves = pd.read_parquet(tmp_path / "curves.parquet")
    assert len(curves) == len(sweep.curves)


def test_every_mean_of_a_group_is_over_the_same_pairs(store: Path) -> None:
    """Two rows lack different prompts: all three are compared over the third prompt alone."""
    for method, prompt_id in (("sliding_window", "p0"), ("random", "p1")):
        for seed in (0, 1):
            (store / f"units/tiny_short-{method}-{prompt_id}-{seed}/record.json").unlink()
    table = compare(load_sweep(store), "offline", 30.0)
    group = table.group(row_of(table, "tiny_short", "random"))
    assert group.pairs == (("p2", 0), ("p2", 1))
    for method, mean in zip(METHODS, (0.85, 0.9, 0.85), strict=True):
        cell = row_of(table, "tiny_short", method).cells["subject"]
        assert (cell.mean, cell.num_videos) == (pytest.approx(mean), 2)
    assert {(out.prompt_id, out.method) for out in group.left_out} == {
        ("p0", "sliding_window"),
        ("p1", "random"),
    }
    assert {out.reason for out in group.left_out} == {"not run yet"}
    assert len(table.group(row_of(table, "tiny_long", "random")).pairs) == 5


def test_row_with_less_than_half_of_the_pairs_is_not_compared(store: Path) -> None:
    for prompt_id, seed in (("p0", 0), ("p0", 1), ("p1", 0), ("p1", 1)):
        (store / f"units/tiny_short-random-{prompt_id}-{seed}/record.json").unlink()
    table = compare(load_sweep(store), "offline", 30.0)
    early = row_of(table, "tiny_short", "random")
    assert (early.competes, early.average_rank, early.num_videos) == (False, None, 2)
    assert early.cells["subject"].mean is None
    assert early.cells["subject"].reason == "only 2 of 6 videos, so not compared"
    assert row_of(table, "tiny_short", "sliding_window").cells["subject"].num_videos == 6


def test_prompt_sets_are_never_averaged_together(store: Path) -> None:
    path = store / "units.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["prompt_id"] = ("easy/" if line["prompt_id"] == "p0" else "hard/") + line["prompt_id"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = compare(load_sweep(store), "offline", 30.0)
    sets = [(row.prompt_set, row.num_prompts) for row in table.rows if row.backbone == "tiny_short"]
    assert sets == [("easy", 1)] * 3 + [("hard", 2)] * 3
    assert [(g.backbone, g.prompt_set) for g in table.groups] == [
        ("tiny_short", "easy"),
        ("tiny_short", "hard"),
        ("tiny_long", "easy"),
        ("tiny_long", "hard"),
    ]


def test_baseline_may_be_chosen_and_must_exist(pristine_store: Path) -> None:
    sweep = load_sweep(pristine_store)
    cell = row_of(compare(sweep, "offline", 30.0), "tiny_short", "random").cells["flicker"]
    assert cell.versus is not None
    assert cell.versus.difference.mean == pytest.approx(1.0)
    chosen = compare(sweep, "offline", 30.0, baseline="random")
    assert row_of(chosen, "tiny_short", "random").cells["flicker"].versus is None
    cell = row_of(chosen, "tiny_short", "sliding_window").cells["flicker"]
    assert cell.versus is not None
    assert cell.versus.difference.mean == pytest.approx(-1.0)
    with pytest.raises(LongtakeError, match=r"Unknown baseline method 'rnd'.*mean 'random'"):
        compare(sweep, "offline", 30.0, baseline="rnd")


def test_frame_contains_kind_version_and_intervals(comparison: Comparison) -> None:
    frame = comparison.frame()
    assert set(frame["kind"]) == {"proxy metrics"}
    assert set(frame["suite_version"]) == {"1"}
    assert {"subject_low", "subject_difference", "subject_p_table"} <= set(frame.columns)
    assert comparison.kind is Kind.proxy


def test_suites_of_different_kinds_never_share_a_table(store: Path) -> None:
    add_vbench_suite(store)
    tables = compare_all(load_sweep(store))
    assert [(t.suite, t.kind) for t in tables] == [
        *[("offline", Kind.proxy)] * 2,
        *[("vbench_long", Kind.vbench_long)] * 2,
    ]
    columns = [{info.name for info in table.metrics} for table in tables]
    assert columns[0] & columns[2] == set()


def test_errors_decide_the_decimals_of_a_column() -> None:
    assert column_decimals([0.3054], [0.101456]) == 2
    assert column_decimals([3.2], [1.837]) == 1
    assert column_decimals([0.5, 0.5, 0.5], [0.012, 0.011, 1e-17]) == 3


@pytest.mark.parametrize(
    ("value", "interval", "stderr", "shown"),
    [
        (0.3054, None, 0.101456, "0.31 ± 0.10"),
        (-0.25, Interval(-0.31, 0.001), 0.1, f"{MINUS}0.25 ({MINUS}0.31 to 0.00)"),
        (-0.001, None, None, "0.00"),
        (None, None, None, DASH),
    ],
)
def test_numbers_are_written_with_their_errors(
    value: float | None, interval: Interval | None, stderr: float | None, shown: str
) -> None:
    assert with_error(value, interval, stderr, 2) == shown


def test_only_metrics_of_quality_are_ranked(store: Path) -> None:
    for path in (store / "metrics/offline").iterdir():
        content = json.loads(path.read_text())
        content["metrics"]["flicker"]["info"]["quality"] = False
        path.write_text(json.dumps(content))
    rows = compare(load_sweep(store), "offline", 30.0).groups[0].rows
    assert [row.average_rank for row in rows] == [2.5, 1.0, 2.5]
    assert [row.cells["flicker"].rank for row in rows] == [None] * 3


@pytest.mark.parametrize(
    ("name", "number", "said"),
    [("threads", 8, "8 threads"), ("workers", 2, "2 workers of 1 thread")],
)
def test_speeds_of_two_settings_are_told_apart(
    store: Path, name: str, number: int, said: str
) -> None:
    path = store / "units/tiny_short-random-p0-0/record.json"
    record = json.loads(path.read_text())
    record["generation"]["machine"][name] = number
    path.write_text(json.dumps(record))
    table = compare(load_sweep(store), "offline", 30.0)
    settings = {group.backbone: group.settings for group in table.groups}
    assert len(settings["tiny_short"]) == 2 and len(settings["tiny_long"]) == 1
    assert said in "".join(row_of(table, "tiny_short", "random").settings)
