"""Imported videos: scored by both suites and shown on the leaderboard, even if some are damaged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest

from harness.store.record import Origin, Prompt, Record, VideoFile
from harness.store.run_store import RunStore

pytestmark = pytest.mark.slow

WriteVideo = Callable[..., Path]


def moving(num_frames: int, height: int = 64, width: int = 96, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width + num_frames, 3))
    wide = noise.astype(np.uint8).repeat(1, axis=0)
    return np.stack([wide[:, t : t + width] for t in range(num_frames)])


def write(path: Path, frames: np.ndarray, fps: Fraction | int = 16, gap: int = 0) -> None:
    """Encode; `gap` doubles the time between frames from that one on: a variable frame rate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        if frames.shape[1] % 2 or frames.shape[2] % 2:
            stream.pix_fmt = "yuv444p"
        tick = Fraction(1, 16000)
        stream.codec_context.time_base = tick
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            late = max(0, number - gap) if gap else 0
            frame.pts, frame.time_base = int((number + late) / fps / tick), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        silence = np.zeros((1, 1024), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def manifest(folder: Path, **prompts: str) -> Path:
    path = folder.parent / "prompts.jsonl"
    lines = [{"video": f"{name}.mp4", "prompt": prompt} for name, prompt in prompts.items()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def scores(store: Path, suite: str) -> dict[str, Any]:
    """By prompt."""
    contents = [json.loads(path.read_text()) for path in (store / "metrics" / suite).glob("*.json")]
    return {content["prompt"]: content for content in contents}


SUITES = "suite=vbench_long,flicker_stability,flow_motion"


def test_videos_of_any_origin_are_scored_and_stand_on_the_leaderboard(cli, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write(folder / "a.mp4", moving(77))
    write(folder / "b.mp4", moving(77, seed=1))
    listed = manifest(folder, a="a red ball", b='it\'s a "dog" <b>')
    arguments = (f"videos={folder}", f"manifest={listed}", SUITES, "duration=2,4.8125")
    result = cli("eval", *arguments)
    assert result.code == 0, result.err
    store = tmp_path / "runs" / "mine"
    for suite in ("vbench_long", "flicker_stability"):
        found = scores(store, suite)
        assert set(found) == {"a red ball", 'it\'s a "dog" <b>'}
        assert all(set(content["durations"]) == {"2", "4.8125"} for content in found.values())
    flickering = scores(store, "vbench_long")["a red ball"]["metrics"]["temporal_flickering"]
    assert 0.3 < flickering["durations"]["4.8125"] < 1
    rows = json.loads((store / "metrics" / "vbench_long.rows.json").read_text())
    assert [(row["backbone"], row["method"], row["duration_s"]) for row in rows] == [
        ("mine", "imported", 2.0),
        ("mine", "imported", 4.8125),
    ]
    dimension = rows[1]["dimensions"]["temporal_flickering"]
    assert dimension["official"] == pytest.approx(dimension["per_video"])
    assert rows[1]["final"]["per_video"]["quality"] is None
    assert cli("eval", *arguments).out.count("Nothing to do") == 1
    report = cli("report", f"sweep={store}")
    assert report.code == 0, report.err
    data = "".join(path.read_text() for path in (store / "report" / "data").rglob("*.js"))
    assert "mine" in data and "imported" in data


def test_a_folder_of_several_lengths_is_one_row_with_the_official_mean_over_all_clips(
    cli, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    for place, length in enumerate((20, 40, 77)):
        write(folder / f"{place}.mp4", moving(length, 32, 48, seed=place))
    listed = manifest(folder, **{"0": "a", "1": "b", "2": "c"})
    arguments = (f"videos={folder}", f"manifest={listed}", "suite=vbench_long", "duration=whole")
    result = cli("eval", *arguments)
    assert result.code == 0, result.err
    store = tmp_path / "runs" / "mine"
    found = [scores(store, "vbench_long")[prompt] for prompt in "abc"]
    assert [one["durations"]["whole"]["num_frames"] for one in found] == [20, 40, 77]
    clips = [one["metrics"]["temporal_flickering"]["clip_scores"] for one in found]
    assert [len(of_video) for of_video in clips] == [1, 2, 3]
    (row,) = json.loads((store / "metrics" / "vbench_long.rows.json").read_text())
    dimension = row["dimensions"]["temporal_flickering"]
    assert row["duration_s"] == "whole" and (row["num_videos"], dimension["num_clips"]) == (3, 6)
    assert dimension["official"] == pytest.approx(np.mean(np.concatenate(clips)), abs=1e-12)
    means = [np.mean(of_video) for of_video in clips]
    assert dimension["per_video"] == pytest.approx(np.mean(means), abs=1e-12)
    assert dimension["official"] != pytest.approx(dimension["per_video"], abs=1e-6)
    assert f"{dimension['official']:.4f}" in result.out and "3, 6" in result.out
    assert "Nothing to do" in cli("eval", *arguments).out

    report = cli("report", f"sweep={store}", "--json")
    (table,) = json.loads(report.out)["tables"]
    assert [line["duration_s"] for line in (table, *table["rows"])] == ["whole", "whole"]
    tables = store / "report" / "tables"
    for name in ("vbench_long_whole", "scores"):
        assert set(pd.read_csv(tables / f"{name}.csv")["duration_s"]) == {"whole"}
    written_ns = (store / "report" / "state.json").stat().st_mtime_ns
    again = cli("report", f"sweep={store}", "--json")
    assert again.out == report.out
    assert (store / "report" / "state.json").stat().st_mtime_ns == written_ns
    lengths = cli("eval", *arguments[:2], "suite=flicker_stability")
    assert "3 lengths, a row each; duration=whole" in " ".join(lengths.out.split())
    for wrong in ("0", "-1", "nan", "3,nan", "inf", "1e400", "all"):
        refused = cli("eval", str(store), f"duration={wrong}")
        assert refused.code == 2 and "seconds above 0 separated by commas, or whole" in refused.err


def test_scores_of_other_weights_are_computed_again(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    write(folder / "a.mp4", moving(40))
    cli("eval", f"videos={folder}", f"manifest={manifest(folder, a='a')}", "suite=flow_motion")
    again = ("eval", "sweep=runs/mine", "suite=flow_motion")
    assert "Nothing to do" in cli(*again).out
    key = scores(tmp_path / "runs" / "mine", "flow_motion")["a"]["networks"]["dis_flow"]
    for now, up_to_date in (({key}, True), ({"dis_flow, other weights"}, False)):
        monkeypatch.setattr(
            "harness.run.left_to_score.network_keys", lambda suite, now=now: {"dis_flow": now}
        )
        assert ("Nothing to do" in cli(*again).out) is up_to_date


def test_each_bad_video_fails_under_its_name_and_the_rest_is_scored(cli, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    write(folder / "good.mp4", moving(40))
    write(folder / "odd.mp4", moving(40, height=63, width=95))
    write(folder / "short.mp4", moving(6))
    write(folder / "variable.mp4", moving(40, seed=2), gap=20)
    (folder / "text.mp4").write_text("not a video")
    (folder / "empty.mp4").touch()
    write_sound(folder / "sound.mp4")
    write(folder / "unlisted.mp4", moving(4))
    names = ("good", "odd", "short", "variable", "text", "empty", "sound", "gone")
    listed = manifest(folder, **{name: name for name in names})
    result = cli("eval", f"videos={folder}", f"manifest={listed}", SUITES)
    assert result.code == 1
    for part in (
        "text.mp4: ",
        "empty.mp4: ",
        "no video stream in this file",
        "gone.mp4: no such file",
        "unlisted.mp4: not in the manifest",
    ):
        assert part in result.out.replace("\n", "")
    store = tmp_path / "runs" / "mixed"
    vbench, flicker = scores(store, "vbench_long"), scores(store, "flicker_stability")
    assert set(flicker) == {"good", "odd", "short", "variable"} == set(vbench)
    for name, content in vbench.items():
        durations = content["metrics"]["temporal_flickering"]["durations"]
        value = durations[max(durations, key=float)]
        assert (value is None) == (name == "odd"), name
    assert "even width and height" in vbench["odd"]["metrics"]["temporal_flickering"]["reason"]
    report = cli("report", f"sweep={store}")
    assert report.code == 0, report.err


def test_imported_rows_join_a_sweep_but_never_a_generated_row(cli, tmp_path: Path) -> None:
    from tests.harness.support import sweep

    assert cli(*sweep("name=both", "method=sliding_window")).code == 0
    folder = tmp_path / "theirs"
    write(folder / "a.mp4", moving(45))
    listed = manifest(folder, a="a ball")
    given = (f"videos={folder}", f"manifest={listed}", "name=both", "suite=flow_motion")
    (generated,) = RunStore(tmp_path / "runs" / "both").unit_lines()
    labels = (f"backbone={generated.backbone}", f"method={generated.method}")
    refused = cli("eval", *given, *labels)
    assert refused.code == 2
    assert "already has a generated row" in refused.err
    assert cli("eval", *given, "backbone=Sora", "duration=2").code == 0
    lines = RunStore(tmp_path / "runs" / "both").unit_lines()
    assert [line.backbone for line in lines] == [generated.backbone, "Sora"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("videos=v",), "no such folder"),
        (("manifest=m.jsonl", "sweep=s"), "need videos=FOLDER"),
        (("videos=v", "manifest=m.jsonl"), "no such folder"),
        (("video=v",), "Did you mean 'videos'"),
    ],
)
def test_mistakes_on_the_command_line(cli, arguments: tuple[str, ...], message: str) -> None:
    result = cli("eval", *arguments)
    assert result.code == 2
    assert message in result.err


def record(num_frames: int, fps: str) -> Record:
    return Record(
        unit_id="u",
        identity={},
        prompt=Prompt("set", "id", "text", "text"),
        seed=0,
        num_frames=num_frames,
        duration_s=float(num_frames / Fraction(fps)),
        fps=int(Fraction(fps)),
        width=96,
        height=64,
        video=VideoFile("video.mp4", "a" * 64, 1, 1),
        finished="",
        origin=Origin("a.mp4", fps),
    )


def test_durations_of_imported_videos_are_counted_by_time() -> None:
    # 30 s from 120 latent frames are 477 frames: a quarter of a second may lack.
    assert record(477, "16").frames_of(30) == 477
    assert record(1917, "16").frames_of(30) == 480
    assert record(470, "16").frames_of(30) is None
    assert record(900, "30000/1001").frames_of(30) == 899
    assert record(10, "16").frames_of(0) is None


def write_fast_start(path: Path, frames: np.ndarray) -> None:
    """Encode with the index in front of the pictures."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=16, options={"crf": "0"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def test_slow_and_cut_videos_are_left_out_by_name_and_the_report_is_built(
    cli, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    write(folder / "plain.mp4", moving(40))
    write(folder / "slow.mp4", moving(40), fps=Fraction(1, 5))
    write_fast_start(folder / "cut.mp4", moving(64))
    content = (folder / "cut.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(content[: len(content) // 2])
    listed = manifest(folder, plain="p", slow="s", cut="c")

    result = cli("eval", f"videos={folder}", f"manifest={listed}", "suite=flicker_stability")
    assert result.code == 1
    said = " ".join(result.out.split())
    assert "left out: slow.mp4:" in said and "0.2 frames a second" in said
    assert re.search(r"holds \d+ of the 64 frames that its index", said)
    report = cli("report", "sweep=runs/mine")
    assert report.code == 0, report.err


def test_a_folder_needs_no_manifest_for_metrics_without_prompts(cli, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write(folder / "a" / "one.mp4", moving(40))
    asked = ("eval", f"videos={folder}", "suite=sharpness_retention,text_alignment")
    result = cli(*asked)
    assert result.code == 0, result.err
    reasons = {
        name: metric["reason"]
        for path in Path("runs/mine").rglob("*/*.json")
        for name, metric in json.loads(path.read_bytes()).get("metrics", {}).items()
    }
    assert reasons.pop("sharpness_retention") is None
    assert reasons["text_alignment"], "null for want of a prompt, or of its network"
    (tmp_path / "empty").mkdir()
    refused = cli("eval", f"videos={tmp_path / 'empty'}", asked[2])
    assert refused.code == 2 and "empty: no videos (.mp4" in refused.err


def test_a_record_without_frames_fails_its_unit_and_not_the_report(cli, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write(folder / "a.mp4", moving(40))
    write(folder / "b.mp4", moving(40, seed=1))
    listed = manifest(folder, a="a", b="b")
    cli("eval", f"videos={folder}", f"manifest={listed}", "suite=flicker_stability")
    path = min((tmp_path / "runs" / "mine" / "units").glob("*/record.json"))
    path.write_text(path.read_text().replace('"fps": 16,', '"fps": 0,', 1))
    report = cli("report", "sweep=runs/mine")
    assert report.code == 0, report.err
    units = pd.read_csv(tmp_path / "runs" / "mine" / "report" / "tables" / "units.csv")
    assert sorted(units["status"]) == ["done", "failed"]
