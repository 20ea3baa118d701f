from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness
from tests.harness.api.conftest import SUITE
from tests.reports.experiment import make_store

pytestmark = pytest.mark.slow

LABELS = ["unit_id", "backbone", "method", "prompt_set", "prompt_id", "prompt", "seed"]


def test_every_frame_begins_with_the_labels_of_its_video(swept: harness.Result) -> None:
    store = swept.store
    for frame in (store.scores, store.curves, store.timings, store.traces):
        assert list(frame.columns[: len(LABELS)]) == LABELS
        assert set(frame["unit_id"]) == set(swept.records)
        assert set(frame["method"]) == {"sliding_window", "rag"}


def test_units_say_what_the_records_say(swept: harness.Result) -> None:
    units = swept.store.units
    assert list(units["status"]) == ["done", "done"]
    assert list(units["duration_s"]) == [6.0, 6.0]
    for unit_id, folder, video in zip(
        units["unit_id"], units["folder"], units["video"], strict=True
    ):
        assert Path(folder, video).is_file()
        assert swept.records[unit_id].video.file == video


def test_scores_are_those_of_the_files(swept: harness.Result) -> None:
    scores = swept.store.scores.set_index(["unit_id", "duration_s"])["value"]
    assert len(scores) == 4
    for path in swept.store.folder.glob(f"metrics/{SUITE}/*.json"):
        durations = json.loads(path.read_text())["metrics"][SUITE]["durations"]
        for duration, value in durations.items():
            assert scores[path.stem, float(duration)] == value


def test_traces_are_the_plans_of_every_block(swept: harness.Result) -> None:
    traces = swept.store.traces
    for unit_id in swept.records:
        path = swept.store.folder / "units" / unit_id / "trace.jsonl"
        for line in map(json.loads, path.read_text().splitlines()):
            block = traces[(traces["unit_id"] == unit_id) & (traces["block"] == line["block"])]
            assert list(block["frame"]) == line["frames"]
            assert list(block["role"]) == line["roles"]
            assert list(block["position"]) == line["positions"]
            memory = block[block["role"] == "memory"]
            assert list(memory["score"]) == (line["scores"] or [])
            assert block["score"].notna().sum() == len(memory)
    assert (traces["frame_s"] < traces["start_s"]).all()
    assert "memory" in set(traces["role"])


def test_a_store_is_opened_by_folder_or_name(
    swept: harness.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = swept.store.folder.parent
    opened = harness.open_store(runs / "main")
    assert opened.units.equals(swept.store.units)
    assert not opened.warnings
    monkeypatch.chdir(runs)
    assert harness.open_store("main").folder == swept.store.folder


def test_a_misspelt_name_is_looked_for_in_runs(folder: Path) -> None:
    make_store(folder / "runs/main", {"a": {"u": 0.0}})
    with pytest.raises(harness.UnknownName, match=r"runs 'mains'\. Did you mean 'main'"):
        harness.open_store("mains")


def test_several_stores_are_merged(swept: harness.Result, folder: Path) -> None:
    other = harness.generate(
        "noon snowy six walking",
        "backbone.denoising_step_list=[1000]",
        duration=1.5,
        method="oldest",
    )
    merged = harness.open_store(swept.store.folder, other.store.folder)
    assert len(merged.units) == 3


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main").mkdir()
    with pytest.raises(harness.StoreError, match="is not a sweep"):
        harness.open_store(tmp_path / "main")
    make_store(tmp_path / "other", {"a": {"u": 0.0}})
    with pytest.raises(harness.UnknownName, match="Did you mean 'other'"):
        harness.open_store(tmp_path / "others")


def test_the_report_is_a_page(swept: harness.Result, tmp_path: Path) -> None:
    page = harness.report(swept.store, out=tmp_path / "site", assets="none")
    assert page == tmp_path / "site" / "index.html"
    assert page.is_file()
    with pytest.raises(harness.UnknownName, match="Did you mean 'copy'"):
        harness.report(swept.store, assets="cpy")
