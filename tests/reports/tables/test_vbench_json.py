from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.store.frames import load_sweep
from reports.tables.comparison import compare_all
from reports.tables.vbench_json import write_vbench_results
from tests.reports.synthetic import add_vbench_suite


def test_vbench_file_is_of_clips_and_only_of_vbench_dimensions(store: Path, tmp_path: Path) -> None:
    add_vbench_suite(store)
    sweep = load_sweep(store)
    tables = {(table.suite, table.duration_s): table for table in compare_all(sweep)}
    assert write_vbench_results(sweep, tables["offline", 30.0], tmp_path) == []
    paths = write_vbench_results(sweep, tables["vbench_long", 30.0], tmp_path)
    assert len(paths) == 6
    (path,) = [p for p in paths if p.name.startswith("tiny_long_random")]
    assert path.name == "tiny_long_random_30s_eval_results.json"
    results = json.loads(path.read_text())
    assert list(results) == ["subject_consistency"]
    score, clips = results["subject_consistency"]
    # 15 clips at 30 s of the five pairs that all rows have.
    assert len(clips) == 5 * 15
    # Nothing to fuse with: the official code then averages over neighbouring frames.
    values = np.array([clip["video_results"] for clip in clips])
    assert score == pytest.approx(np.average(values, weights=([31] * 14 + [28]) * 5))
    assert clips[0]["video_path"] == "tiny_long-random-p0-0/000000-000032"


def test_rows_whose_labels_differ_only_in_odd_characters_get_files_of_their_own(
    store: Path, tmp_path: Path
) -> None:
    add_vbench_suite(store)
    sweep = load_sweep(store)
    (table,) = [t for t in compare_all(sweep) if (t.suite, t.duration_s) == ("vbench_long", 30.0)]
    odd = ("a/b", "a-b", "A-b", "\N{GRINNING FACE}", "x" * 300, "x" * 299 + "/")
    rows = [replace(row, method=label) for row, label in zip(table.rows, odd, strict=True)]
    group = replace(table.groups[0], rows=tuple(rows), pairs=())
    paths = write_vbench_results(sweep, replace(table, groups=(group,)), tmp_path)
    assert len({path.name.lower() for path in paths}) == len(odd)
    assert all(path.parent == tmp_path and path.is_file() for path in paths)
