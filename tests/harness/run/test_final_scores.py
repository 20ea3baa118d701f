from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from harness.run import final_scores
from harness.run.final_scores import write_rows
from harness.store.run_store import RunStore
from tests.reports.synthetic import METHODS, add_vbench_suite, write_store


def test_rows_are_made_again_where_a_file_changed_and_equal_those_made_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "video.mp4").touch()
    write_store(tmp_path / "demo", dict.fromkeys(METHODS, tmp_path / "video.mp4"))
    add_vbench_suite(tmp_path / "demo")
    store = RunStore(tmp_path / "demo")
    suite = Mock(version="1")
    monkeypatch.setattr(final_scores, "find_suite", lambda _: suite)
    read = Mock(side_effect=final_scores._scores)
    monkeypatch.setattr(final_scores, "_scores", read)

    def rows() -> list[dict[str, Any]]:
        path = write_rows(store, ["vbench_long"])
        assert path
        return json.loads(path.read_text())

    first = rows()
    assert len(first) == 12 and read.call_count == 6
    assert rows() == first and read.call_count == 6
    path = store.scores_path("vbench_long", "tiny_long-random-p0-0")
    content = json.loads(path.read_text())
    content["metrics"]["subject_consistency"]["durations"]["30"] += 0.25
    path.write_text(json.dumps(content))
    changed = rows()
    assert changed != first and read.call_count == 7
    kept = store.index_dir / "vbench_long.rows.json"
    kept.write_bytes(kept.read_bytes().replace(b"0.8", b"0.9"))  # a damaged file is not used
    assert rows() == changed and read.call_count == 13
    os.utime(path)
    store.scores_path("vbench_long", "tiny_short-rag-p0-0").unlink()
    assert rows()[0] == changed[0] and read.call_count == 15
    before = rows()
    os.utime(path)
    with monkeypatch.context() as patch:
        scores = RunStore.scores
        patch.setattr(RunStore, "scores", lambda *of: None if of[2] == path.stem else scores(*of))
        assert rows() != before, "a file that can't be read now"
    assert rows() == before, "and can be read later, at the time that it had"
    suite.version = "2"
    assert rows() == []
