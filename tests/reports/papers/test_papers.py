from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.store.frames import load_sweep
from reports.papers.latex import write_paper_tables
from reports.tables.comparison import compare_all
from reports.tables.vbench_json import write_vbench_results
from tests.reports.synthetic import add_vbench_suite


@pytest.fixture
def written(pristine_store: Path, tmp_path: Path) -> dict[str, str]:
    paths = write_paper_tables(compare_all(load_sweep(pristine_store)), tmp_path)
    return {path.stem: path.read_text() for path in paths}


def test_main_table_has_all_rows_of_all_lengths(written: dict[str, str]) -> None:
    table = written["main_table_offline"]
    assert r"tiny\_short & sliding\_window & 1.75 &" in table
    assert r"\textbf{0.8500}" in table and r"\textbf{0.7250}" in table
    assert table.count("rag layout=aged &") == 4
    assert r"random$^\dagger$" in table
    assert "These are no VBench scores" in table
    assert [r"\textit{30 s}" in table, r"\textit{60 s}" in table] == [True, True]


def test_ablation_table_is_of_differences_to_the_baseline(written: dict[str, str]) -> None:
    table = written["ablation_table_offline"]
    assert r"\textit{tiny\_short, 30 s}" in table
    assert r"sliding\_window & 0.8000 & 1.000 & -- & -- \\" in table
    assert r"rag layout=aged & $+0.0500$ & $+2.000$ & -- & -- \\" in table
    assert table.index(r"sliding\_window &") < table.index("random &")


def test_every_line_has_the_columns_of_its_tabular(written: dict[str, str]) -> None:
    for text in written.values():
        lines = [line for line in text.splitlines() if " & " in line]
        assert len({line.count(" & ") for line in lines}) == 1
        assert text.count("{") == text.count("}")
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1


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
