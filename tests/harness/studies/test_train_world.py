"""The training of the street's backbone at a tiny size: files, resume, refusals."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.street.backbone import StreetBackbone
from backbones.street.weights import StreetWeights
from harness.core.errors import ConfigError, MissingWeights, TrainingDiverged, UnknownName
from harness.core.events import Interrupted, Silent
from harness.studies.training_folder import TrainingState
from harness.studies.worlds.run_config import load_run
from harness.studies.worlds.train import train_world
from methods.sliding_window import SlidingWindow

PROMPT = "noon grassy three walking"
FAST = (
    "threads=1",
    "save_every=2",
    "data.clips=3",
    "data.held_out=2",
    "data.scenes=street,cups",
    "decoder.steps=2",
    "decoder.fine=8",
    "decoder.coarse=8",
    "transformer.steps=4",
    "transformer.dim=48",
    "transformer.layers=1",
    "transformer.history_noise_after=1",
)
_NEVER: Callable[[], bool] = lambda: False  # noqa: E731


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "street"
    train_world(load_run([f"out={folder}", *FAST]), Silent(), _NEVER)
    return folder


def test_a_training_leaves_weights_curves_and_samples(trained: Path) -> None:
    with (trained / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4"]
    assert {"train_loss", "right", "half", "random", "window"} <= rows[0].keys()
    assert (trained / "curves.png").stat().st_size > 1000
    assert [path.name for path in sorted((trained / "samples").iterdir())] == [
        "000002.png",
        "000004.png",
    ]
    weights = StreetWeights.read(trained / "street.safetensors")
    assert weights.scenes == ("street", "cups")
    assert weights.step == 4 and "train-world" in weights.command
    assert weights.losses["right"] == pytest.approx(float(rows[-1]["right"]))


def test_the_weights_are_a_backbone(trained: Path) -> None:
    source = StreetBackbone(weights=str(trained / "street.safetensors"))
    backbone = source.load(torch.device("cpu"), [PROMPT])
    rollout = Rollout(backbone, SlidingWindow(), PROMPT, SeededNoise(0, PROMPT), 6, 0)
    latents = torch.cat([block.latents for block in rollout.blocks()])
    frames = backbone.start_decoder().decode(latents)
    assert frames.shape == (21, 64, 64, 3)
    with pytest.raises(ConfigError, match="slot 4"):
        source.check_prompt("noon grassy three running")


@pytest.mark.parametrize("stop_at", [4, 7])  # polls: three clips, then one a step
def test_a_stopped_training_goes_on_bit_for_bit(
    trained: Path, tmp_path: Path, stop_at: int
) -> None:
    run = load_run([f"out={tmp_path / 'street'}", *FAST])
    polls = 0

    def stop() -> bool:
        nonlocal polls
        polls += 1
        return polls == stop_at

    with pytest.raises(Interrupted):
        train_world(run, Silent(), stop)
    train_world(run, Silent(), _NEVER)
    whole = load_file(trained / "street.safetensors")
    resumed = load_file(run.weights)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert (trained / "curves.csv").read_text() == (run.folder / "curves.csv").read_text()


@pytest.mark.parametrize("name", ["clips.safetensors", "street.safetensors", "training.json"])
def test_a_changed_byte_is_said_and_made_good(trained: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "street"
    shutil.copytree(trained, folder)
    command = TrainingState.read(trained).command  # part of the weights file
    content = (folder / name).read_bytes()
    changed = content[:-50] + bytes(50)
    if name == "training.json":
        changed = content.replace(b'"step": 4', b'"step": 2')
        assert changed != content
    (folder / name).write_bytes(changed)
    run = load_run([f"out={trained}", *FAST])
    run.out, run.command = str(folder), command
    heard = Heard()
    train_world(run, heard, _NEVER)
    assert [line for line in heard.said if name in line and "checksum mismatch" in line]
    assert (folder / name).read_bytes() == content


def test_a_finished_training_is_not_repeated_and_says_what_it_lacks(cli, trained: Path) -> None:
    before = (trained / "street.safetensors").stat().st_mtime_ns
    result = cli("train-world", f"out={trained}", *FAST)
    assert result.code == 0, result.err
    assert "never learned memory" in result.out
    assert (trained / "street.safetensors").stat().st_mtime_ns == before


def test_a_diverged_training_stops_and_keeps_the_last_good(trained: Path, tmp_path: Path) -> None:
    overrides = [f"out={tmp_path / 'street'}", *FAST, "transformer.learning_rate=1e30"]
    run = load_run(overrides)
    with pytest.raises(TrainingDiverged, match=r"transformer diverged at step \d+.*kept"):
        train_world(run, Silent(), _NEVER)
    assert (run.folder / "decoder.pt").is_file()


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("data.held_out=3", ConfigError, r"data.held_out must lie within 1..2"),
        ("data.scenes=cups,cups", ConfigError, "each once"),
        ("data.scenes=cup", ConfigError, "street, visitor, cups"),
        ("transformer.dim=50", ConfigError, "multiple of 48"),
        ("decoder.steps=0", ConfigError, r"decoder.steps must be at least 1"),
        ("save_every=0", ConfigError, "save_every"),
        ("seed=1,2", ConfigError, "seed takes one value"),
        ("transformer.layer=2", UnknownName, "layers"),
    ],
)
def test_settings_that_cannot_be_trained_are_refused(
    override: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_run([*FAST, override])


def test_another_training_in_the_folder_is_refused(trained: Path) -> None:
    run = load_run([f"out={trained}", *FAST, "seed=1"])
    with pytest.raises(ConfigError, match="seed is 0, not 1"):
        train_world(run, Silent(), _NEVER)


def test_weights_of_another_street_are_refused(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    old = StreetWeights.read(trained / "street.safetensors")
    text = msgspec.json.encode(old).decode().replace('"version":1', '"version":0')
    save_file(load_file(trained / "street.safetensors"), path, {"street": text})
    with pytest.raises(MissingWeights, match="version 0 of the street"):
        StreetBackbone(weights=str(path)).spec()
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(MissingWeights, match="no weights of the street"):
        StreetBackbone(weights=str(path)).spec()
    with pytest.raises(MissingWeights, match="train-world"):
        StreetBackbone(weights=str(tmp_path / "none")).spec()
