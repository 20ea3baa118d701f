"""Sweeps of scripts: records and traces, resumed after kill -9, with any model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.store.frames import load_sweep
from tests.harness.conftest import Result
from tests.harness.support import records, sweep

pytestmark = pytest.mark.slow

WALK = "dusk grassy four walking"
BACK = "noon grassy four returning"
SWITCHES = ("keep", "recache", "flush")
FILES = ("latents.safetensors", "trace.jsonl", "video.mp4")

# Kills its own process while it plans the first block of the second segment, if asked to.
MORTAL = """
import os, signal
from pathlib import Path
from methods.rag import Rag

class Mortal(Rag):
    def plan(self, first_frame):
        if self._rollout.start_latent + first_frame == 12 and Path("kill").exists():
            Path("kill").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().plan(first_frame)
"""


def write_script(folder: Path, *segments: tuple[float, str]) -> str:
    given = [{"seconds": s, "prompt": text} for s, text in segments]
    (folder / "stories.jsonl").write_text(json.dumps({"id": "a", "segments": given}) + "\n")
    return "prompts=stories.jsonl"


def files_of(store: Path) -> dict[str, bytes]:
    """Bytes of all units, by switch and file."""
    return {
        f"{record['script']['switch']} {file}": (store / "units" / unit_id / file).read_bytes()
        for unit_id, record in records(store).items()
        for file in FILES
    }


def run(folder: Path, *arguments: str, **environment: str) -> int:
    # The second segment begins with block 4, at latent frame 12.
    return subprocess.run(
        [sys.executable, "-m", "harness", *sweep("duration=6", *arguments)],
        cwd=folder,
        env=os.environ | environment,
        check=False,
        timeout=300,
    ).returncode


def test_kill_9_between_segments_and_resume_gives_equal_bytes(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "mortal.py").write_text(MORTAL)
    script = write_script(tmp_path, (3, WALK), (3, BACK))
    common = (script, "method=mortal:Mortal", "save_every_blocks=1")
    for switch in SWITCHES:
        (tmp_path / "kill").touch()
        assert run(tmp_path, *common, f"method.switch={switch}") == 1
    assert not records(tmp_path / "runs/main")
    every = sweep("duration=6", *common, f"method.switch={','.join(SWITCHES)}")
    assert cli(*every).code == 0
    assert cli(*every, "name=undisturbed").code == 0
    resumed = records(tmp_path / "runs/main").values()
    assert all(record["generation"]["timings_s"]["replay"] > 0 for record in resumed)
    undisturbed = files_of(tmp_path / "runs/undisturbed")
    assert len(undisturbed) == len(SWITCHES) * len(FILES)
    assert files_of(tmp_path / "runs/main") == undisturbed


def test_records_and_traces_say_which_segment(cli: Callable[..., Result], tmp_path: Path) -> None:
    script = write_script(tmp_path, (1.6, WALK), (10, BACK))
    result = cli(*sweep(script, "method.switch=recache"))
    assert result.code == 0, result.err
    ((unit_id, record),) = records(tmp_path / "runs/main").items()
    assert record["script"]["switch"] == "recache"
    assert [segment["first_latent"] for segment in record["script"]["segments"]] == [0, 9]
    assert [segment["seconds"] for segment in record["script"]["segments"]] == [1.6, 10]
    assert [segment["prompt"] for segment in record["script"]["segments"]] == [WALK, BACK]
    assert record["generation"]["timings_s"]["prompt_switch"] > 0
    trace = tmp_path / "runs/main/units" / unit_id / "trace.jsonl"
    assert [json.loads(line)["segment"] for line in trace.read_text().splitlines()] == [0, 0, 0, 1]


def test_plain_units_say_nothing_of_segments(cli: Callable[..., Result], tmp_path: Path) -> None:
    assert cli(*sweep()).code == 0
    ((unit_id, record),) = records(tmp_path / "runs/main").items()
    assert record["script"] is None
    assert "prompt_switch" not in record["generation"]["timings_s"]
    assert "segment" not in (tmp_path / "runs/main/units" / unit_id / "trace.jsonl").read_text()


def test_a_longer_script_extends_the_shorter_video(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    script = write_script(tmp_path, (3, WALK), (3, BACK))
    every = f"method.switch={','.join(SWITCHES)}"
    assert cli(*sweep(script, every)).code == 0  # 3 s: it ends where the prompt would change
    assert cli(*sweep(script, every, "duration=6")).code == 0
    assert cli(*sweep(script, every, "duration=6", "name=whole")).code == 0
    assert files_of(tmp_path / "runs/main") == files_of(tmp_path / "runs/whole")


def test_any_model_takes_a_script(with_examples: dict[str, str], tmp_path: Path) -> None:
    """A prompt is a bias in the model of the examples, and its blocks have two latent frames."""
    script = write_script(tmp_path, (3, "a red fox"), (3, "a boat on a river"))
    every = f"method.switch={','.join(SWITCHES)}"
    assert run(tmp_path, "backbone=mosaic", script, every, **with_examples) == 0
    made = records(tmp_path / "runs/main")
    starts = {record["script"]["segments"][1]["first_latent"] for record in made.values()}
    assert starts == {12}
    assert len({record["video"]["sha256"] for record in made.values()}) == len(SWITCHES)


def scores_of(store: Path) -> dict:
    (path,) = store.glob("metrics/sky_error/*.json")
    return json.loads(path.read_text())


def test_metrics_are_given_by_segment_and_compare_with_its_prompt(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    script = write_script(tmp_path, (3, WALK), (3, BACK), (3, WALK))
    arguments = sweep(
        "backbone=street", script, "method.switch=flush", "duration=3,6", "suite=sky_error"
    )
    assert cli(*arguments).code == 0
    scores = scores_of(tmp_path / "runs/main")
    segments = [(segment["start_frame"], segment["prompt"]) for segment in scores["segments"]]
    assert segments == [(0, WALK), (45, BACK)]  # the third begins where the video ends
    metric = scores["metrics"]["sky_error"]
    curve = [metric["curve"][index] for index in scores["durations"]["6"]["clips"]]
    starts = [scores["clips"][i]["start_frame"] for i in scores["durations"]["6"]["clips"]]
    assert starts == [0, 32, 61]
    assert metric["segments"] == [curve[0], (curve[1] + curve[2]) / 2]
    assert max(metric["segments"]) < 0.1, "each half shows its own sky"
    frame = load_sweep(tmp_path / "runs/main").segments
    assert list(frame["segment"]) == [0, 1]
    assert list(frame["start_s"]) == [0, 45 / 16]
    assert list(frame["value"]) == metric["segments"]

    assert "0 scores to compute" in cli(*arguments).out
    lines = json.loads((tmp_path / "stories.jsonl").read_text())
    lines["segments"][1]["evaluation_prompt"] = WALK
    (tmp_path / "stories.jsonl").write_text(json.dumps(lines))
    again = cli(*arguments)
    assert "generate" not in again.out, "metrics alone compare with another prompt"
    assert scores_of(tmp_path / "runs/main")["metrics"]["sky_error"]["segments"][1] > 0.1


def test_tables_and_lists_show_all_prompts_of_a_script(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    script = write_script(tmp_path, (1.5, WALK), (1.5, BACK))
    assert cli(*sweep(script)).code == 0
    (prompt,) = load_sweep(tmp_path / "runs/main").units["prompt"]
    assert prompt == f"{WALK} → 1.5 s: {BACK}"
