"""Videos made by commands: a renderer as a row, prompts as data, and every way to fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.engine.spec import Geometry
from backbones.external.backbone import ExternalBackbone
from backbones.external.command import CommandTemplate
from harness.config.sweep import load_sweep as planned
from harness.core.errors import LongtakeError, MissingWeights
from harness.run.external import make_with_command
from harness.run.video_writer import VideoWriter
from harness.store.claims import TakenOver
from harness.store.frames import load_sweep
from harness.store.progress import reaches
from harness.store.record import Length
from harness.store.run_store import RunStore
from harness.store.units import plan_units
from tests.harness.support import records

STORE = Path("runs/main")
EXAMPLES = Path(__file__).parents[3] / "examples"

# Writes a video of grey frames and what it was given; MODE spoils it.
GREY = """
import json, os, sys, time
from pathlib import Path
import av
import numpy as np

mode, out, frames, *rest = sys.argv[1:]
Path(f"given-{os.getpid()}.json").write_text(json.dumps(rest))
print("working as", mode, flush=True)
if mode == "status":
    sys.exit(3)
if mode == "slow":
    time.sleep(600)
count = int(frames) - (mode == "short")
size = 32 if mode == "small" else 64
for name in {"nothing": (), "two": ("a.mp4", "b.mp4")}.get(mode, ("a.mp4",)):
    with av.open(str(Path(out) / name), "w") as container:
        stream = container.add_stream("libx264", rate=8 if mode == "slower" else 16)
        stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        for _ in range(count):
            grey = np.full((size, size, 3), 99, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
if mode == "text":
    (Path(out) / "a.mp4").write_text("no video")
"""
NASTY = "a \"cat\"; $(touch hacked) `touch hacked` '{seed}' && touch hacked | {out}"


def sweep(mode: str, *arguments: str, rest: str = "{prompt}") -> list[str]:
    """Arguments of a sweep whose command is GREY."""
    Path("grey.py").write_text(GREY)
    command = f"{{python}} grey.py {mode} {{out_folder}} {{num_frames}} {rest}"
    sizes = ("backbone.width=64", "backbone.height=64", "method=external", "device=cpu")
    given = ("sweep", "--no-report", "backbone=external", f"backbone.command='{command}'")
    return [*given, *sizes, "duration=0.75", "suite=[]", "prompts.num=1", *arguments]


@pytest.mark.slow
def test_a_script_that_renders_the_world_is_a_row(cli, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(EXAMPLES)
    arguments = (
        *("sweep", "--no-report", "backbone=examples/external/render_world.yaml", "device=cpu"),
        *("method=external", "method.label=renderer", "duration=3", "prompts.num=1"),
        "backbone.licence=Apache-2.0",
    )
    first = cli(*arguments, "suite=[]", "--dry-run", "--measure").out
    assert "generation: unknown" in first and "measured with its first video" in first
    assert cli(*arguments, "suite=sky_error").code == 0
    (record,) = records(STORE).values()
    assert (record["num_frames"], record["width"], record["fps"]) == (45, 64, 16)
    assert record["origin"].pop("end_to_end_s") > 0
    same = {"file": "command", "fps": "16", "num_latents": 12, "licence": "Apache-2.0"}
    assert record["origin"] == same
    sweep_data = load_sweep(STORE)
    assert set(sweep_data.units["method"]) == {"external label=renderer"}
    assert set(sweep_data.units["licence"]) == {"Apache-2.0"}
    assert float(sweep_data.scores["value"].iloc[0]) < 0.05  # the truth itself
    longer = cli(*arguments, "suite=[]", "duration=6", "--dry-run", "--measure").out
    assert "(from earlier records)" in longer
    again = cli(*arguments, "suite=sky_error")
    assert "0 units to make" in again.out + again.err
    assert cli("verify", "main").code == 0


@pytest.mark.slow
def test_a_prompt_is_data_and_never_executed(cli) -> None:
    Path("nasty.jsonl").write_text(json.dumps({"id": "a", "prompt": f"{NASTY}\nline two"}))
    command = sweep(
        "fine", "prompts=nasty.jsonl", "batch=2", rest="--text={prompt} {prompt_file} {script}"
    )
    result = cli(*command)
    assert result.code == 0, result
    assert "batch=2 has no effect: its command makes one video at a time" in result.out
    (given,) = Path().glob("given-*.json")
    argument, prompt_file, script = json.loads(given.read_text())
    assert argument == f"--text={NASTY}\nline two"
    assert not Path("hacked").exists()
    assert not Path(prompt_file).exists()  # its folder is gone
    assert script.endswith("script.json")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("status", "ended with exit status 3"),
        ("slow", "took longer than backbone.timeout_s=1"),
        ("nothing", "left 0 .mp4 files"),
        ("two", "left 2 .mp4 files"),
        ("short", "has 8 frames of 64 x 64 pixels at 16 a second; expected 9 of 64 x 64"),
        ("small", "has 9 frames of 32 x 32"),
        ("slower", "at 8 a second; expected 9"),
        ("text", "a.mp4"),
    ],
)
def test_a_command_that_fails_fails_its_unit_with_its_log(cli, mode: str, message: str) -> None:
    limit = "1" if mode == "slow" else "60"
    assert cli(*sweep(mode, f"backbone.timeout_s={limit}")).code == 1
    assert not records(STORE)
    (failure,) = STORE.glob("units/*/failure*.json")
    saved = json.loads(failure.read_text())
    assert message in json.dumps(saved)
    assert f"working as {mode}" in json.dumps(saved)


@pytest.mark.parametrize("num_checks", [1, 2])
def test_a_unit_that_was_taken_over_meanwhile_is_neither_stored_nor_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_checks: int
) -> None:
    monkeypatch.chdir(tmp_path)
    with VideoWriter(Path("made.mp4"), 16, 64, 64) as writer:
        writer.write(np.zeros((9, 64, 64, 3), np.uint8))
    Path("copy.sh").write_text('cp made.mp4 "$1"\n')
    source = ExternalBackbone("sh copy.sh {out} {prompt}", width=64, height=64)
    (unit,) = plan_units(planned(sweep("fine")[2:]))
    store, there = RunStore(tmp_path / "store"), []

    def check_claim() -> None:
        there.append([path.read_bytes() for path in store.unit_dir(unit.id).iterdir()])
        if len(there) == num_checks:
            raise TakenOver

    with pytest.raises(TakenOver):
        make_with_command(unit, source, torch.device("cpu"), store, lambda: False, check_claim)
    assert there == num_checks * [[Path("made.mp4").read_bytes()]], "nothing is copied later"
    left = [path.name for path in store.unit_dir(unit.id).iterdir()]
    assert left == (num_checks - 1) * ["video.mp4"]


@pytest.mark.slow
def test_a_program_that_does_not_exist_fails_its_unit(cli) -> None:
    assert cli(*sweep("fine", "backbone.command='no-such-program {prompt} {out}'")).code == 1
    (failure,) = STORE.glob("units/*/failure*.json")
    assert "can't be started" in failure.read_text()


@pytest.mark.slow
def test_a_stopped_sweep_stops_the_command(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *sweep("slow")], stdout=subprocess.DEVNULL
    )
    while not (given := list(tmp_path.glob("given-*.json"))):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    pid = int(given[0].stem.partition("-")[2])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "needs the command"),
        ("run 'it {prompt} {out}", "No closing quotation"),
        ("run {prompts} {out}", "Did you mean 'prompt'"),
        ("run {prompt}", r"needs \{out\} or \{out_folder\}"),
        ("bash -c 'run {prompt} > {out}'", "prompt might be run as code"),
        (
            "nice -n 5 /bin/sh -elc 'run --text={prompt}' {out}",
            r"bash -c 'python make.py \"\$1\"' _",
        ),
        ("bash -o pipefail -c 'run \"{prompt}\" | tee {out}'", "as code"),
        ("zsh -c -e 'run {prompt} {out}'", "as code"),
        ("{python} -X utf8 -c 'print(\"{prompt}\")' {out}", "as code"),
        ("python3.12 '-cprint(\"{prompt}\")' {out}", "as code"),
        ("perl -ne 'make({prompt})' {out}", "as code"),
        ("env A=1 node --eval {prompt} {out}", "as code"),
        ("awk '/{prompt}/' {out}", "as code"),
        ("ssh gpu7 python make.py --prompt={prompt} {out}", "as code"),
        ("srun --pty /usr/bin/ssh host make.py {prompt} {out}", "as code"),
        ("su maker -c 'make.py {prompt} {out}'", "as code"),
        ("run '--command=make.py {prompt}' {out}", "as code"),
        ("make video PROMPT={prompt} OUT={out}", "as code"),
        ("env A=1 nice -n 5 /usr/bin/make PROMPT={prompt} OUT={out}", "as code"),
        ('run \'--json={"prompt": "{prompt}"}\' {out}', "as code"),
        ("run {out}", r"needs \{prompt\} or \{prompt_file\} or \{script\}"),
    ],
)
def test_a_wrong_command_is_refused(command: str, message: str) -> None:
    with pytest.raises(LongtakeError, match=message):
        ExternalBackbone(command=command).spec()


@pytest.mark.parametrize(
    ("fps", "temporal_factor", "duration_s"),
    [(24, 8, 5), (16, 8, 30), (25, 8, 9.6), (16, 4, 30), (24, 1, 2)],
)
def test_a_video_reaches_the_durations_that_were_asked_for(
    fps: int, temporal_factor: int, duration_s: float
) -> None:
    made = Geometry((0, 0, 0), temporal_factor, fps, 64, 64)

    def frames(seconds: float) -> int:
        return made.num_frames(round(seconds * made.latents_per_s))

    longer = round(2 * duration_s * made.latents_per_s)
    for num_latents in (round(duration_s * made.latents_per_s), longer):
        seconds = num_latents / made.latents_per_s
        length = Length(made.num_frames(num_latents), seconds, num_latents, str(fps))
        # The first part of a longer video is what the shorter one would be.
        assert length.frames_of(duration_s) == frames(duration_s)
        assert length.frames_of(seconds) == frames(seconds)
        assert length.frames_of(3 * duration_s) is None
        assert (reaches(length, seconds), reaches(length, 3 * duration_s)) == (True, False)


@pytest.mark.parametrize(
    "command",
    [
        'bash -c \'run "$1" > "$2"\' _ {prompt} {out}',
        "bash -c 'run $(cat {prompt_file}) {out}'",
        "run --text='A photo of {prompt}, 4k.' -c {prompt} --name={prompt}-{seed} {out}",
        "node eval.js {prompt} {out}",
        "julia evaluate.jl --prompt {prompt} --out {out}",
        "perl -I lib make.pl {prompt} {out}",
        "python main.py eval --mode make --prompt={prompt} {out}",
        "ssh gpu7 make.py {prompt_file} {out}",
        "bash run.sh -c {prompt} {out}",
        "bash -o pipefail run.sh {prompt} {out}",
        "{python} make.py -c {prompt} {out}",
        "python3 -mrecord {prompt} {out}",
        "run -c {prompt} {out}",
    ],
)
def test_a_prompt_beside_the_code_is_accepted(command: str) -> None:
    assert ExternalBackbone(command=command).template().arguments


def test_values_are_not_read_for_placeholders_again() -> None:
    template = CommandTemplate.parse("run --a={prompt} '{seed} {prompt}' {out}")
    values = {"prompt": "{seed} 'x' $(y)", "seed": "7", "out": "o"}
    assert template.fill(values) == ["run", "--a={seed} 'x' $(y)", "7 {seed} 'x' $(y)", "o"]


def test_the_content_of_its_files_is_part_of_the_identity(tmp_path: Path) -> None:
    script = tmp_path / "make.py"
    script.write_text("one")
    backbone = ExternalBackbone("run {prompt} {out}", str(tmp_path), ["make.py"])
    before = backbone.identity()
    assert replace(backbone, licence="MIT", timeout_s=5).identity() == before
    script.write_text("two")
    assert backbone.identity() != before
    script.unlink()
    with pytest.raises(MissingWeights, match=r"no file .*make\.py"):
        backbone.identity()


@pytest.mark.slow
def test_strategies_and_commands_do_not_mix(cli) -> None:
    mixed = cli(*sweep("fine", "method=rag"))
    assert mixed.code == 2
    assert "use method=external" in mixed.err
    other = cli("sweep", "--no-report", "method=external", "duration=3", "prompts.num=1")
    assert other.code == 2
    assert "method=external is for backbone=external" in other.err


@pytest.mark.parametrize(
    "path", sorted((EXAMPLES / "external").glob("*.yaml")), ids=lambda p: p.stem
)
def test_the_example_commands_are_wellformed(path: Path) -> None:
    from omegaconf import OmegaConf

    given = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(given, dict)
    assert given.pop("family") == "external"
    spec = ExternalBackbone(**given).spec()
    assert spec.geometry.num_frames(spec.num_latents(30)) == 477
    if path.stem != "render_world":
        assert "NOT RUN HERE" in path.read_text()
