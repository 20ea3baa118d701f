from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.core.errors import LongtakeError
from harness.store.frames import load_sweep

UNIT = "tiny_short-random-p0-0"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_frames_have_one_line_per_unit_duration_and_metric(pristine_store: Path) -> None:
    sweep = load_sweep(pristine_store)
    assert len(sweep.units) == 36
    assert len(sweep.scores) == 35 * 2 * 4
    assert sweep.methods == ["sliding_window", "rag layout=aged", "random"]
    assert sweep.warnings == ()
    of_unit = sweep.scores[sweep.scores["unit_id"] == UNIT].set_index(["metric", "duration_s"])
    assert of_unit.loc[("subject", 60.0), "value"] == pytest.approx(0.8 - 0.125)
    assert of_unit.loc[("text", 30.0), "reason"] == "needs weights that are not installed"


def test_curves_leave_out_the_tail_clip_of_a_shorter_duration(pristine_store: Path) -> None:
    curves = load_sweep(pristine_store).curves
    one = curves[(curves["unit_id"] == UNIT) & (curves["metric"] == "subject")]
    assert len(one) == 30
    assert one["start_s"].is_unique
    assert one["end_s"].max() == 957 / 16


def test_failed_unit_is_kept_with_the_first_line_of_its_error(pristine_store: Path) -> None:
    units = load_sweep(pristine_store).units.set_index("unit_id")
    failed = units.loc["tiny_long-random-p2-1"]
    assert (failed["status"], failed["reason"]) == ("failed", "RuntimeError: out of <memory>")


def test_unit_without_any_file_is_missing(store: Path) -> None:
    (store / "units" / UNIT / "record.json").unlink()
    sweep = load_sweep(store)
    assert sweep.units.set_index("unit_id").loc[UNIT, "status"] == "missing"
    assert UNIT not in set(sweep.scores["unit_id"])
    assert sweep.warnings == (
        f"metrics/offline/{UNIT}.json: no finished unit of this sweep has this id; left out.",
    )


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (f"metrics/offline/{UNIT}.json", "{torn", "not valid JSON"),
        (f"metrics/offline/{UNIT}.json", "[]", "expected `object`, got `array`"),
        (f"metrics/offline/{UNIT}.json", '{"schema": 1}', "schema 1, expected 2"),
        (f"metrics/offline/{UNIT}.json", '{"schema": 2}', "missing required field `suite`"),
        (f"units/{UNIT}/record.json", "{torn", "not valid JSON"),
        (f"units/{UNIT}/record.json", '{"schema": 2}', "missing required field `unit_id`"),
    ],
)
def test_unreadable_file_is_named_and_left_out(
    store: Path, file: str, content: str, said: str
) -> None:
    (store / file).write_text(content)
    sweep = load_sweep(store)
    first = sweep.warnings[0]
    assert first.startswith(f"{file}: ")
    assert said in first
    assert "\n" not in first
    assert UNIT not in set(sweep.scores["unit_id"])


def test_unreadable_record_counts_as_failed(store: Path) -> None:
    (store / "units" / UNIT / "record.json").write_text("{torn")
    unit = load_sweep(store).units.set_index("unit_id").loc[UNIT]
    assert (unit["status"], unit["reason"]) == ("failed", "record.json cannot be read")


def test_metrics_of_another_video_are_stale(store: Path) -> None:
    edit(store / "metrics" / "offline" / f"{UNIT}.json", video_sha256="cd" * 32)
    sweep = load_sweep(store)
    assert "measured another video" in sweep.warnings[0]
    assert UNIT not in set(sweep.scores["unit_id"])


def test_mixed_suite_versions_are_refused_with_both_named(store: Path) -> None:
    edit(store / "metrics" / "offline" / f"{UNIT}.json", suite_version="2")
    with pytest.raises(
        LongtakeError, match=r"offline.*different versions.*'1' \(.*'2' \("
    ) as error:
        load_sweep(store)
    assert f"{UNIT}.json" in str(error.value)
    assert "harness eval FOLDER suite=" in str(error.value)


def test_finished_video_without_metrics_is_named(store: Path) -> None:
    (store / "metrics" / "offline" / f"{UNIT}.json").unlink()
    said = f"metrics/offline: 1 finished videos are not evaluated: {UNIT}."
    assert load_sweep(store).warnings == (said,)


def test_repeated_and_torn_unit_lines(store: Path) -> None:
    path = store / "units.jsonl"
    path.write_text(path.read_text() * 2 + '{"unit_id": "x"')
    sweep = load_sweep(store)
    assert len(sweep.units) == 36
    (warning,) = sweep.warnings
    assert warning.startswith("units.jsonl: line 73: not valid JSON")


def test_header_without_revision_or_with_absent_packages(store: Path) -> None:
    path = store / "sweep.yaml"
    path.write_text(path.read_text().replace("0123abc", "null").replace("2.4.6", "null"))
    header = load_sweep(store).header
    assert header.revision is None
    assert header.versions == {"torch": "2.13.0", "numpy": None}


def test_unknown_sweep_suggests_the_nearest(pristine_store: Path) -> None:
    with pytest.raises(LongtakeError, match=r"Unknown sweep 'dmo'\. Did you mean 'demo'\?"):
        load_sweep(pristine_store.parent / "dmo")


def test_folder_that_is_no_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LongtakeError, match=r"is not a sweep: expected a file sweep\.yaml"):
        load_sweep(tmp_path)


def test_empty_sweep_is_a_sweep(store: Path) -> None:
    (store / "units.jsonl").write_text("")
    sweep = load_sweep(store)
    assert (len(sweep.units), sweep.methods, sweep.settled) == (0, [], True)


def test_unit_id_that_is_no_file_name_is_left_out(store: Path) -> None:
    path = store / "units.jsonl"
    line = json.loads(path.read_text().splitlines()[0]) | {"unit_id": "../../outside"}
    path.write_text(path.read_text() + json.dumps(line) + "\n")
    sweep = load_sweep(store)
    assert len(sweep.units) == 36
    (warning,) = sweep.warnings
    assert warning == "units.jsonl: line 37: unit id '../../outside' is not a file name; left out."


@pytest.mark.parametrize("video", [{"file": "../../secret"}, {"sha256": "../x"}])
def test_video_of_a_record_must_be_a_name_and_a_hash(store: Path, video: dict) -> None:
    path = store / "units" / UNIT / "record.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"video": record["video"] | video}))
    unit = load_sweep(store).units.set_index("unit_id").loc[UNIT]
    assert unit["status"] == "failed"


def test_unit_with_fresh_progress_is_running_and_with_old_is_missing(store: Path) -> None:
    folder = store / "units" / UNIT
    (folder / "record.json").unlink()
    chunk = folder / "partial" / "000045.safetensors"
    chunk.parent.mkdir()
    chunk.write_bytes(b"")
    unit = load_sweep(store).units.set_index("unit_id").loc[UNIT]
    assert (unit["status"], unit["reason"]) == ("running", "45 latent frames or more are made")
    os.utime(chunk, (0, 0))
    unit = load_sweep(store).units.set_index("unit_id").loc[UNIT]
    assert (unit["status"], unit["reason"]) == ("missing", "stopped after 45 latent frames or more")


def test_facts_of_a_record_are_columns(pristine_store: Path) -> None:
    units = load_sweep(pristine_store).units.set_index("unit_id")
    released, embedded = units.loc["tiny_long-rag-p0-0"], units.loc["tiny_short-rag-p0-0"]
    assert (released["trained_latents"], released["official_setting"]) == (21, True)
    assert (embedded["trained_latents"], embedded["official_setting"]) == (7, False)
    assert not embedded["imported"]
    assert released["method_args"] == {"label": "rag layout=aged"}


def test_settled_means_all_ended_and_scored(store: Path) -> None:
    assert load_sweep(store).settled
    (store / "metrics" / "offline" / f"{UNIT}.json").unlink()
    assert not load_sweep(store).settled
    (store / "units" / UNIT / "record.json").unlink()
    assert not load_sweep(store).settled
    (store / "units" / UNIT / "failure.json").write_text('{"error": "x"}')
    assert load_sweep(store).settled


def test_a_video_that_scoring_found_damaged_has_its_reason(store: Path) -> None:
    (store / "units" / UNIT / "record.json").unlink()
    failure = {"error": "VideoDamaged: not the video of its record"}
    (store / "units" / UNIT / "failure.offline.json").write_text(json.dumps(failure))
    unit = load_sweep(store).units.set_index("unit_id").loc[UNIT]
    assert (unit["status"], unit["reason"]) == ("failed", failure["error"])


def test_suite_may_say_more_about_a_metric(store: Path) -> None:
    for path in (store / "metrics/offline").iterdir():
        content = json.loads(path.read_text())
        for metric in content["metrics"].values():
            metric["info"]["range"] = [0, 1]
        path.write_text(json.dumps(content))
    assert load_sweep(store).metrics["offline"]["subject"].title == "Subject consistency"
