"""The last seconds against the first, and means by interval."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.store.frames import load_sweep
from reports.site.leaderboard import end_lines
from reports.tables.comparison import compare_all
from reports.tables.curves import compared_curves
from reports.tables.drift_ends import drift_ends, drift_intervals
from reports.tables.drift_tables import drift_tables

ROW = {"metric": "subject", "backbone": "tiny_short", "method": "sliding_window"}


def change_scores(store: Path, looping: bool | None) -> None:
    """Give every video a curve that falls by 0.01 a second, and features that fade.

    Args:
        store: the run store.
        looping: whether all videos return to their first frame; None if it was never counted.
    """
    for path in (store / "metrics" / "offline").glob("*.json"):
        content = json.loads(path.read_text())
        metric = content["metrics"]["subject"]
        middles = [(clip["start_s"] + clip["end_s"]) / 2 for clip in content["clips"]]
        metric["curve"] = [1 - 0.01 * middle for middle in middles]
        metric["first_similarity"] = [1 - middle / 100 for middle in middles]
        if looping is not None:
            found = {"flag": looping, "num_returns": int(looping)}
            content["looping"] = {"30": None, "60": found}
        content.pop("sha256", None)
        path.write_text(json.dumps(content))


@pytest.mark.parametrize("looping", [True, False])
def test_last_seconds_stand_against_the_first(store: Path, looping: bool) -> None:
    change_scores(store, looping)
    sweep = load_sweep(store)
    ends = drift_tables(sweep, compare_all(sweep)).ends.set_index(list(ROW))
    line = ends.loc[tuple(ROW.values())]
    assert line["first"] == pytest.approx(1 - 0.02)  # clips with middles at 1 and 3 s
    assert line["change"] == pytest.approx(line["last"] - line["first"])
    assert line["change"] < -0.5 and line["change_stderr"] == pytest.approx(0, abs=1e-9)
    assert line["last_similarity"] == pytest.approx(line["last"])
    assert line["num_looping"] == (line["num_videos"] if looping else 0)


def test_returns_are_unknown_where_they_were_not_counted(store: Path) -> None:
    change_scores(store, looping=None)
    (path, *_) = (store / "metrics" / "offline").glob("tiny_short-sliding_window-*.json")
    content = json.loads(path.read_text())
    content["looping"] = {"60": {"flag": True, "num_returns": 2}}
    path.write_text(json.dumps(content))
    sweep = load_sweep(store)
    ends = drift_tables(sweep, compare_all(sweep)).ends
    of_row = (ends[list(ROW)] == list(ROW.values())).all(axis=1)
    assert ends.loc[of_row, ["num_looping", "num_looping_of"]].to_numpy().tolist() == [[1, 1]]
    others = ends[ends["method"] != ROW["method"]]
    assert others["num_looping"].isna().all() and not others["num_looping_of"].any()
    lines = [line for found in end_lines(ends)["offline"].values() for line in found]
    assert {line.num_looping for line in lines} == {1, None}


def test_intervals_cover_the_video(store: Path) -> None:
    change_scores(store, looping=False)
    sweep = load_sweep(store)
    lines = drift_tables(sweep, compare_all(sweep)).intervals
    of_row = lines[(lines[list(ROW)] == list(ROW.values())).all(axis=1)]
    assert of_row["start_s"].tolist() == [0, 10, 20, 30, 40, 50]
    assert of_row["end_s"].tolist() == [10, 20, 30, 40, 50, pytest.approx(957 / 16)]
    assert of_row["mean"].iloc[0] == pytest.approx(1 - 0.05)
    assert of_row["first_similarity"].iloc[0] == pytest.approx(1 - 0.05)


def test_videos_shorter_than_two_ends_have_none(pristine_store: Path) -> None:
    sweep = load_sweep(pristine_store)
    curves = next(compared_curves(sweep, compare_all(sweep)))
    short = replace(curves, points=curves.points[curves.points["end_s"] <= 8])
    assert drift_ends(short).empty
    assert not drift_intervals(short).empty
