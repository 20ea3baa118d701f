from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.sweep import load_sweep
from harness.run.estimate import _START_SCORING_S, estimate
from harness.run.speeds import (
    backbone_key,
    pair_key,
    recorded_clip_pixel_s,
    recorded_latent_s,
    recorded_report_s,
)
from harness.store.paths import StorePaths
from harness.store.record import Origin
from harness.store.run_store import RunStore
from harness.store.stage_times import StageTime, add_stage_times, read_stage_times
from harness.store.units import build_backbone, plan_units
from tests.harness.support import FAST, small
from tests.reports.experiment import make_store


@pytest.mark.slow
def test_seconds_come_from_earlier_records_of_the_backbone(cli) -> None:
    assert cli("sweep", "--no-report", *FAST, "name=first", "method=rag").code == 0
    store = RunStore(Path("runs/first"))
    record = store.record(next(iter(store.begun_units())))
    assert record is not None and record.generation is not None
    generation = replace(record.generation, timings_s={"end_to_end": 36.0})
    store.write_record(replace(record, generation=generation))
    asked = ["sweep", "--dry-run", "--json", *FAST, "name=second"]
    found = json.loads(cli(*asked, "method=rag", "prompts.num=2").out)
    # The first prompt is the same unit, but in another sweep, so both are made: 36 s each.
    assert found["generate"] == {"num_items": 2, "num_there": 0, "seconds": pytest.approx(72)}
    assert found["source"] == "from earlier records"
    other = json.loads(cli(*asked, "method=oldest").out)
    assert other["generate"]["seconds"] == pytest.approx(36)
    assert other["source"] == "from earlier records of other methods"
    longer = json.loads(cli(*asked, "name=first", "method=rag", "duration=6").out)
    assert longer["generate"]["seconds"] == pytest.approx(72)
    in_two = json.loads(cli(*asked, "method=rag", "prompts.num=2", "workers=2").out)
    assert in_two["generate"]["seconds"] == pytest.approx(36)


@pytest.mark.slow
def test_what_is_there_is_counted_apart(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [part for part in FAST if part != "suite=[]"]
    assert cli("sweep", "--no-report", *FAST, "name=first", "method=rag").code == 0
    arguments = ["name=first", "method=rag", "prompts.num=2", "suite=sharpness_retention"]
    result = cli("sweep", "--no-report", *asked, *arguments)
    assert result.code == 0
    assert "1 unit to make, 1 already there; 2 scores to compute, 0 already there" in result.out
    assert "generate [2/2]" in result.out and "score [2/2]" in result.out
    # What has nothing to score is not estimated from the scores of earlier sweeps.
    monkeypatch.setattr("harness.run.estimate.recorded_clip_pixel_s", None)
    again = cli("sweep", "--no-report", *asked, *arguments)
    assert "0 units to make, 2 already there; 0 scores to compute, 2 already there" in again.out


def test_sweeps_being_deleted_and_records_without_times_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_store(tmp_path / "main", {"a": {"p": 0.0, "q": 0.0}})
    store = RunStore(root)
    untimed, timed = (store.record(unit_id) for unit_id in ("a-p", "a-q"))
    assert untimed and untimed.generation and timed and timed.generation
    store.write_record(replace(untimed, generation=replace(untimed.generation, timings_s={})))
    times = {"end_to_end": 2.0 * timed.generation.num_latents}
    store.write_record(replace(timed, generation=replace(timed.generation, timings_s=times)))
    listed = Path.glob

    def glob(folder: Path, pattern: str) -> list[Path]:
        return [folder / "deleted", *listed(folder, pattern)]

    monkeypatch.setattr(Path, "glob", glob)
    assert set(map(tuple, recorded_latent_s(tmp_path).values())) == {(2.0,)}
    assert recorded_report_s(tmp_path, 1) is None


def test_speeds_are_those_of_as_many_units_in_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven units in step are groups of three, three and one for a worker."""
    quick = ("prompts.num=7", "duration=3", "suite=[]", "device=cpu")
    config = load_sweep(small(*quick, f"runs={tmp_path}", "batch=3"))
    units, store = plan_units(config), RunStore(tmp_path / "main")
    pair, backbone = pair_key(units[0].identity), backbone_key(units[0].identity)
    for recorded, seconds, source in (
        ({(pair, 3): [2.0], (pair, 1): [5.0]}, 12 * (6 * 2 + 5), "from earlier records"),
        ({(backbone, 3): [2.0], (backbone, 1): [3.0]}, 12 * 15, "records of other methods"),
        ({(pair, 2): [4.0], (backbone, 1): [3.0]}, 12 * 7 * 4, "records of another batch"),
        ({(backbone, 3): [2.0]}, None, "no earlier record"),
    ):
        monkeypatch.setattr("harness.run.estimate.recorded_latent_s", lambda _, r=recorded: r)
        found = estimate(units, units, store, config.settings)
        assert found.generate.seconds == seconds and source in found.source


def test_a_report_takes_as_long_as_the_one_nearest_in_size(tmp_path: Path) -> None:
    assert recorded_report_s(tmp_path, 100) is None
    paths = StorePaths(make_store(tmp_path / "main", {"a": {"p": 0.0}}))
    add_stage_times(paths, [StageTime.ended_now("report", 30.0, 100)])
    add_stage_times(paths, [StageTime.ended_now("report", 90.0, 10_000)])
    with paths.stages_path.open("a") as file:
        file.write("{damaged\n")
    assert [time.seconds for time in read_stage_times(paths)] == [30.0, 90.0]
    assert recorded_report_s(tmp_path, 50) == 30.0
    assert recorded_report_s(tmp_path, 20_000) == pytest.approx(90 + 40)


def test_scoring_takes_as_long_as_for_earlier_videos(tmp_path: Path) -> None:
    assert recorded_clip_pixel_s(tmp_path, "offline") is None
    root = make_store(tmp_path / "main", {"a": {"p": 0.0, "q": 0.0}})
    record = json.loads((root / "units/a-p/record.json").read_text())
    pixels = record["width"] * record["height"]
    for path in (root / "metrics/offline").iterdir():
        scores = json.loads(path.read_text()) | {"timings_s": {"decode": 1.0, "sky": 2.0}}
        path.write_text(json.dumps(scores))
    assert recorded_clip_pixel_s(tmp_path, "offline") == pytest.approx(3.0 / pixels)


@pytest.mark.parametrize(("num_prompts", "workers", "each"), [(1, 2, 1), (4, 2, 2), (4, 1, 4)])
def test_scoring_begins_with_the_start_of_the_workers_that_have_a_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_prompts: int, workers: int, each: int
) -> None:
    quick = (f"prompts.num={num_prompts}", "duration=3", "suite=offline", "device=cpu")
    config = load_sweep(small(*quick, f"runs={tmp_path}", f"workers={workers}"))
    units, store = plan_units(config), RunStore(tmp_path / "main")
    monkeypatch.setattr("harness.run.estimate._clip_pixel_s", lambda *_: 1e-3)
    geometry = build_backbone(units[0].family, units[0].backbone_args).spec().geometry
    score = estimate(units, units, store, config.settings).score
    per_video_s = 1e-3 * geometry.width * geometry.height
    assert score.seconds == pytest.approx(_START_SCORING_S + each * per_video_s)
    nothing = estimate([], [], store, config.settings).score
    assert (nothing.num_items, nothing.seconds) == (0, 0)


def test_videos_of_commands_tell_their_speed_and_those_of_files_none(tmp_path: Path) -> None:
    store = RunStore(make_store(tmp_path / "main", {"a": {"p": 0.0, "q": 0.0}}))
    made, file = (store.record(unit_id) for unit_id in ("a-p", "a-q"))
    assert made and file
    command = Origin("command", "16", 12, "MIT", 36.0)
    store.write_record(replace(made, generation=None, origin=command))
    store.write_record(replace(file, generation=None, origin=Origin("a.mp4", "16")))
    assert {tuple(found) for found in recorded_latent_s(tmp_path).values()} == {(3.0,)}
