from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from harness.core.durations import WHOLE_S
from reports.tables import spreadsheet
from reports.tables.export import write_parquet
from reports.tables.spreadsheet import write_csv

TEXTS = ["=1+1", "+cmd", "-cmd", "@sum", "\tx", "plain", "a=b", 'q"\n=x', "-1.5", None]


def test_formulas_get_an_apostrophe_and_numbers_stay_numbers(tmp_path: Path) -> None:
    numbers = [-0.1, 1e-300, float("nan"), -float("inf"), 1, 2, 3, 4, 5, 1 / 3]
    frame = pd.DataFrame({"=label": TEXTS, "number": numbers, "mixed": [-2, "=x", *TEXTS[2:]]})
    before = frame.copy()
    write_csv(frame, tmp_path / "t.csv")

    read = pd.read_csv(tmp_path / "t.csv", dtype={"'=label": "string", "mixed": "string"})

    expected = ["'=1+1", "'+cmd", "'-cmd", "'@sum", "'\tx", "plain", "a=b", 'q"\n=x', "-1.5"]
    assert read["'=label"].tolist()[:9] == expected
    assert read["'=label"].isna().tolist()[9]
    assert read["mixed"].tolist()[:2] == ["-2", "'=x"]
    assert read["number"].tolist() == pytest.approx(numbers, rel=1e-15, nan_ok=True)
    pd.testing.assert_frame_equal(frame, before)


def test_the_duration_of_whole_videos_is_a_word(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"duration_s": [30.0, WHOLE_S]}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "duration_s\n30.0\nwhole\n"


def test_many_lines_are_written_in_groups_with_the_types_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.DataFrame(
        {
            "late": [None, None, None, "text", None],
            "flag": [None, True, None, False, None],
            "label": pd.Categorical(["b", "b", "=1", None, "b"]),
            "none": [None] * 5,
            "number": [1, 2, 3, 4, 5],
        }
    )
    for group in (2, 100):
        monkeypatch.setattr(spreadsheet, "GROUP_LINES", group)
        write_csv(frame, tmp_path / f"{group}.csv")
        write_parquet(frame, tmp_path / f"{group}.parquet")
    assert (tmp_path / "2.csv").read_text() == (tmp_path / "100.csv").read_text()
    few, whole = (pd.read_parquet(tmp_path / f"{group}.parquet") for group in (2, 100))
    pd.testing.assert_frame_equal(few, whole)
    plain = frame.astype({"label": "str", "none": float})
    plain.to_parquet(tmp_path / "plain.parquet", index=False)
    assert (tmp_path / "100.parquet").read_bytes() == (tmp_path / "plain.parquet").read_bytes()
