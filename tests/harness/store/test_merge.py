from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.core.errors import LongtakeError
from harness.store.frames import load_sweep, load_sweeps
from harness.store.merge import unique_names
from reports.site.build import build_report
from reports.tables.comparison import compare_all
from tests.reports.conftest import PAGE_ONLY, data_of
from tests.reports.synthetic import sha256

UNIT = "tiny_short-random-p0-0"


@pytest.fixture
def other(store: Path) -> Path:
    """The same sweep on another cluster."""
    return Path(shutil.copytree(store, store.parent / "other"))


def edit_record(folder: Path, unit: str, **changes: object) -> None:
    path = folder / "units" / unit / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def remove_units(folder: Path, prefix: str) -> None:
    for path in (folder / "units").glob(f"{prefix}*"):
        shutil.rmtree(path)
    for path in (folder / "metrics/offline").glob(f"{prefix}*"):
        path.unlink()


def test_halves_of_two_clusters_make_the_whole(store: Path, other: Path) -> None:
    whole = compare_all(load_sweep(store))
    remove_units(store, "tiny_long")
    remove_units(other, "tiny_short")
    # One died elsewhere as well, but is done here.
    (other / "units" / UNIT).mkdir()
    (other / "units" / UNIT / "failure.json").write_text('{"error": "x"}')
    merged = load_sweeps([store, other])
    assert (merged.conflicts, merged.warnings) == ((), ())
    assert [table.rows for table in compare_all(merged)] == [table.rows for table in whole]
    assert set(merged.units.query("backbone == 'tiny_long'")["source"]) == {1}
    assert merged.name == "demo (1) + demo (2)"


def test_scores_may_lie_in_another_store_than_first_holds_the_video(
    store: Path, other: Path
) -> None:
    (store / "metrics/offline" / f"{UNIT}.json").unlink()
    merged = load_sweeps([store, other])
    assert merged.warnings == ()
    assert UNIT in set(merged.scores["unit_id"])


@pytest.mark.slow
def test_other_bytes_under_one_id_are_a_conflict(store: Path, other: Path, tmp_path: Path) -> None:
    record = json.loads((other / "units" / UNIT / "record.json").read_text())
    video = record["video"] | {"sha256": "cd" * 32}
    generation = record["generation"]
    generation["machine"] |= {"gpu": "Other GPU"}
    edit_record(other, UNIT, video=video, generation=generation)
    scores = other / "metrics/offline" / f"{UNIT}.json"
    scores.write_text(json.dumps(json.loads(scores.read_text()) | {"video_sha256": "cd" * 32}))
    merged = load_sweeps([store, other])
    (conflict,) = merged.conflicts
    assert conflict.unit_id == UNIT
    assert conflict.versions == (
        ("demo (1)", sha256("random"), "Test CPU"),
        ("demo (2)", "cd" * 32, "Other GPU"),
    )
    # The first is shown and counted, with its own scores.
    index = build_report([store, other], tmp_path / "out", PAGE_ONLY).index
    assert data_of(index, f"units/{UNIT}")["sha256"] == sha256("random")
    site = data_of(index, "site")
    assert site["num_conflicts"] == 1
    assert [one["store"] for one in site["conflicts"][0]["versions"]] == ["demo (1)", "demo (2)"]


def test_one_label_with_other_arguments_is_another_row(store: Path, other: Path) -> None:
    for folder, row_id in ((store, "a"), (other, "b")):
        lines = [json.loads(line) for line in (folder / "units.jsonl").read_text().splitlines()]
        for line in lines:
            line["row_id"] = row_id if line["method"] == "random" else "same"
            if line["method"] == "random":
                line["unit_id"] += f"-{row_id}"
        (folder / "units.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    merged = load_sweeps([store, other])
    assert merged.methods == ["sliding_window", "rag layout=aged", "random", "random @demo (2)"]
    assert "random on tiny_short has other arguments in demo (2)" in merged.warnings[0]


def test_one_prompt_id_with_other_text_is_another_prompt(store: Path, other: Path) -> None:
    path = other / "units.jsonl"
    path.write_text(
        path.read_text()
        .replace("Waves at night", "Waves by day")
        .replace('"unit_id": "', '"unit_id": "x')
    )
    merged = load_sweeps([store, other])
    assert merged.units["prompt_id"].nunique() == 4
    assert "Prompt p1 has several texts; a hash tells them apart." in merged.warnings


def test_versions_of_a_suite_do_not_merge(store: Path, other: Path) -> None:
    remove_units(store, "tiny_long")
    remove_units(other, "tiny_short")
    for path in (other / "metrics/offline").iterdir():
        path.write_text(json.dumps(json.loads(path.read_text()) | {"suite_version": "9"}))
    with pytest.raises(LongtakeError, match=r"'1' \(.*demo/metrics.*'9' \(.*other/metrics"):
        load_sweeps([store, other])


def test_same_folder_twice_is_one_store(store: Path) -> None:
    assert len(load_sweeps([store, store.parent / "demo" / ".." / "demo"]).sources) == 1


def test_unique_names() -> None:
    assert unique_names(["a", "b", "a", "a"]) == ["a (1)", "b", "a (2)", "a (3)"]
