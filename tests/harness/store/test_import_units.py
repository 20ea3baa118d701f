"""Importing one video: its unit, its record and its file, without scoring anything."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from eval.video.decode import VideoDamaged
from harness.config.manifest import ListedVideo, Manifest
from harness.core.errors import StoreError
from harness.core.typed_files import read_typed
from harness.run.own_videos import OwnVideos, import_videos
from harness.store.imported import Row, check_row, import_video, plan_import, whole_durations_s
from harness.store.record import Record
from harness.store.run_store import RunStore
from tests.eval.conftest import encode

ROW = Row("mine", "given", "list")
FPS = 8


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs" / "imports")


@pytest.fixture
def video(tmp_path: Path) -> ListedVideo:
    frames = np.random.default_rng(0).integers(0, 256, (13, 32, 48, 3), dtype=np.uint8)
    path = encode(tmp_path / "A Ball.MP4", frames, FPS)
    return ListedVideo(path, "ball", "a ball", "a red ball", 3)


def test_a_record_is_equal_after_a_round_trip_and_states_only_what_is_known(
    store: RunStore, video: ListedVideo
) -> None:
    (planned,) = plan_import([video], ROW)
    record = import_video(store, planned, ROW)
    assert read_typed(store.record_path(planned.line.unit_id), Record) == record
    assert store.record(record.unit_id) == record
    assert record.generation is None
    assert record.origin is not None and record.origin.file == "A Ball.MP4"
    assert (record.num_frames, record.fps, record.width, record.height) == (13, FPS, 48, 32)
    assert record.video.file == "video.mp4"
    assert record.video.matches(store.unit_dir(record.unit_id))
    assert (record.prompt.id, record.prompt.evaluation_text) == ("ball", "a red ball")


def test_a_folder_of_mixed_sizes_and_rates_says_so(tmp_path: Path) -> None:
    listed = []
    for number, (width, fps) in enumerate(((32, 8), (32, 8), (48, 12))):
        path = encode(tmp_path / f"{number}.mp4", np.zeros((4, 32, width, 3), np.uint8), fps)
        listed.append(ListedVideo(path, str(number), "a ball", "a ball", 0))
    notes = []
    for name, videos in (("alike", listed[:2]), ("mixed", listed)):
        manifest = Manifest(tmp_path, tuple(videos), ())
        own = OwnVideos(manifest, ROW, ["eval"])
        notes.append(import_videos(own, RunStore(tmp_path / name), [0.25]).notes)
    assert notes[0] == ()
    (note,) = notes[1]
    assert "2 picture sizes (32x32, 48x32) and 2 frame rates (8, 12) in one row" in note


def test_the_line_and_the_record_of_a_video_name_the_same_unit(
    store: RunStore, video: ListedVideo
) -> None:
    (planned,) = plan_import([video], ROW)
    record = import_video(store, planned, ROW)
    line = planned.line
    assert (line.unit_id, line.seed) == (record.unit_id, record.seed)
    assert (line.row, line.row_id) == (("mine", "given"), ROW.id)
    assert line.prompt_id == "list/ball"


def test_content_prompt_and_seed_make_the_id_and_labels_do_not(
    video: ListedVideo, tmp_path: Path
) -> None:
    def unit_id(listed: ListedVideo, row: Row = ROW) -> str:
        return plan_import([listed], row)[0].line.unit_id

    moved = tmp_path / "elsewhere.mp4"
    moved.write_bytes(video.path.read_bytes())
    assert unit_id(replace(video, path=moved, id="other")) == unit_id(video)
    assert unit_id(video, Row("other", "other", "other")) == unit_id(video)
    others = [replace(video, seed=4), replace(video, prompt="a box")]
    moved.write_bytes(video.path.read_bytes() + b"\0")
    others.append(replace(video, path=moved))
    assert len({unit_id(video), *map(unit_id, others)}) == 4


def test_a_row_of_imports_is_never_the_row_of_other_labels() -> None:
    rows = [Row("a", "b", "x"), Row("b", "a", "x"), Row("a b", "", "x")]
    assert len({row.id for row in rows}) == 3
    assert Row("a", "b", "y").id == rows[0].id, "a row may show several prompt sets"


def test_an_imported_video_is_not_touched_again_unless_its_copy_is_damaged(
    store: RunStore, video: ListedVideo
) -> None:
    (planned,) = plan_import([video], ROW)
    first = import_video(store, planned, ROW)
    copy = store.unit_dir(first.unit_id) / first.video.file
    before = store.record_path(first.unit_id).stat().st_mtime_ns
    assert import_video(store, planned, ROW) == first
    assert store.record_path(first.unit_id).stat().st_mtime_ns == before
    copy.unlink()
    copy.write_bytes(b"torn")
    again = import_video(store, planned, ROW)
    assert again.video.sha256 == first.video.sha256
    assert again.video.matches(copy.parent)


def test_a_video_is_copied_where_it_cannot_be_linked(
    store: RunStore, video: ListedVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (planned,) = plan_import([video], ROW)
    record = import_video(store, planned, ROW)
    copy = store.unit_dir(record.unit_id) / record.video.file
    assert copy.read_bytes() == video.path.read_bytes()
    assert copy.stat().st_nlink == 1


def test_a_missing_file_gets_a_unit_and_fails_under_its_name(
    store: RunStore, video: ListedVideo, tmp_path: Path
) -> None:
    missing = replace(video, path=tmp_path / "gone.mp4")
    _, planned = plan_import([video, missing], ROW)
    with pytest.raises(VideoDamaged, match=r"gone\.mp4: no such file"):
        import_video(store, planned, ROW)
    assert store.record(planned.line.unit_id) is None


def test_imports_do_not_join_a_generated_row(store: RunStore, video: ListedVideo) -> None:
    check_row(store, ROW)  # a store that does not exist yet has no rows
    (planned,) = plan_import([video], ROW)
    store.add_command([planned], ["python"], [])
    check_row(store, ROW)
    generated = replace(planned.line, row_id="generated", unit_id="u2")
    with store.unit_lines_path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(generated)) + "\n")
    with pytest.raises(StoreError, match="already has a generated row 'mine' with 'given'"):
        check_row(store, ROW)
    check_row(store, Row("mine", "other", "list"))


def test_whole_seconds_may_lack_a_quarter_of_one(store: RunStore, video: ListedVideo) -> None:
    (planned,) = plan_import([video], ROW)
    record = import_video(store, planned, ROW)
    lengths = {
        frames: whole_durations_s([replace(record, num_frames=frames)])
        for frames in (FPS * 2, FPS * 2 - 2, FPS * 2 - 3, FPS * 2 + 1)
    }
    assert lengths == {16: [2.0], 14: [2.0], 13: [1.625], 17: [2.125]}


@pytest.mark.parametrize(
    ("frames", "rows"),
    [
        ((474, 477), [59.25]),  # 477 frames are 59.6 s
        ((32, 36), [4.0]),
        ((40, 80, 84), [5.0, 10.0]),
        ((80,), [10.0]),
    ],
)
def test_lengths_that_hardly_differ_are_one_row(
    store: RunStore, video: ListedVideo, frames: tuple[int, ...], rows: list[float]
) -> None:
    (planned,) = plan_import([video], ROW)
    record = import_video(store, planned, ROW)
    assert whole_durations_s([replace(record, num_frames=n) for n in frames]) == rows
