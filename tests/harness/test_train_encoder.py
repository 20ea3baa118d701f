"""The training command: files, resume, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from harness.encoder_runs import load_run, train
from methods.encoder.checkpoint import read_checkpoint
from tests.methods.conftest import BACKBONE, write_corpus

FAST = (
    "network.latent_dim=8",
    "network.hidden_dims=[8,8]",
    "steps=6",
    "batch_chunks=2",
    "validate_every=2",
    "threads=1",
    "device=cpu",
)


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    return str(write_corpus(tmp_path / "corpus", num_samples=2).folder)


def test_a_run_leaves_checkpoints_curves_and_its_command(cli, tmp_path: Path, corpus: str) -> None:
    result = cli("train-encoder", f"corpus={corpus}", "loss=full", "loss.margin=0.7", *FAST)
    assert result.code == 0, result.err
    folder = tmp_path / "encoders" / "full-margin0.7"
    with (folder / "curves.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4", "6"]
    assert (folder / "curves.png").stat().st_size > 1000
    best, released = (
        read_checkpoint(folder / name) for name in ("best.safetensors", "ae_latent_mem.pt")
    )
    assert best.training.backbones == (BACKBONE,)
    assert best.training.settings["loss"]["margin"] == 0.7
    assert "train-encoder" in best.training.settings["command"]
    assert all(torch.equal(best.tensors[key], released.tensors[key]) for key in best.tensors)
    again = cli("train-encoder", f"corpus={corpus}", "loss=full", "loss.margin=0.7", *FAST)
    assert again.code == 0
    assert "step 2" not in again.out  # nothing is trained twice


def test_a_stopped_run_goes_on_to_the_same_files(tmp_path: Path, corpus: str) -> None:
    def run(out: str):
        return load_run([f"corpus={corpus}", f"out={tmp_path / out}", *FAST])

    class Stop(Exception):
        pass

    def stop(step: int) -> None:
        if step == 5:
            raise Stop

    train(run("whole"), lambda step: None, lambda validation: None)
    with pytest.raises(Stop):
        train(run("stopped"), stop, lambda validation: None)
    assert json.loads((tmp_path / "stopped" / "training.json").read_text())["step"] == 4
    steps: list[int] = []
    train(run("stopped"), steps.append, lambda validation: None)
    assert steps == [5, 6]
    whole, stopped = (
        read_checkpoint(tmp_path / n / "last.safetensors") for n in ("whole", "stopped")
    )
    assert all(torch.equal(whole.tensors[key], stopped.tensors[key]) for key in whole.tensors)
    assert whole.training.metrics == stopped.training.metrics


def test_a_diverged_run_keeps_the_last_good_checkpoint(cli, tmp_path: Path, corpus: str) -> None:
    result = cli(
        "train-encoder",
        f"corpus={corpus}",
        "out=x",
        "learning_rate=1e30",
        "gradient_clip=1e30",
        *FAST,
    )
    assert result.code == 2
    assert "Training diverged at step" in result.err
    kept = tmp_path / "x" / "last.safetensors"
    if kept.exists():  # it may diverge before the first validation
        assert all(tensor.isfinite().all() for tensor in read_checkpoint(kept).tensors.values())


def test_principal_components_are_trained_by_the_same_command(cli, tmp_path, corpus: str) -> None:
    assert cli("train-encoder", "kind=pca", f"corpus={corpus}", "network.latent_dim=4").code == 0
    assert (tmp_path / "encoders" / "pca" / "best.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["loss.margin=1.5"], "is a cosine"),
        (["loss.margn=0.5"], "Did you mean 'margin'"),
        (["loss=fll"], "Did you mean 'full'"),
        (["loss.window=8"], "offsets 1..7"),
        (["stps=3"], "Did you mean 'steps'"),
        (["corpus=gone"], "python -m harness latents"),
        (["track=wandb"], "pip install wandb"),
        (["track=tensorboard"], "pip install tensorboard"),
    ],
)
def test_mistakes_are_answered_in_one_line(
    cli, corpus: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    result = cli("train-encoder", f"corpus={corpus}", *FAST, *arguments)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_another_training_in_the_same_folder_is_refused(cli, corpus: str) -> None:
    assert cli("train-encoder", f"corpus={corpus}", "out=x", *FAST).code == 0
    result = cli("train-encoder", f"corpus={corpus}", "out=x", *FAST, "loss.margin=0.5")
    assert result.code == 2
    assert "loss.margin is 0.85, not 0.5" in result.err


def test_trackers_get_every_line(tmp_path: Path, corpus: str, monkeypatch) -> None:
    logged: list[tuple[int, float]] = []

    class FakeRun:
        def log(self, values: dict[str, float], step: int) -> None:
            logged.append((step, values["val_total"]))

        def finish(self) -> None:
            logged.append((-1, 0.0))

    class FakeModule:
        @staticmethod
        def init(**settings: object) -> FakeRun:
            return FakeRun()

    monkeypatch.setitem(__import__("sys").modules, "wandb", FakeModule)
    run = load_run([f"corpus={corpus}", f"out={tmp_path / 'x'}", "track=wandb", *FAST])
    train(run, lambda step: None, lambda validation: None)
    assert [step for step, _ in logged] == [2, 4, 6, -1]
