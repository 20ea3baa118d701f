"""The training command: files, resume, and refused settings."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.core.events import Interrupted
from harness.studies.encoders.run_config import load_run
from harness.studies.encoders.train import train
from methods.encoders.checkpoint import read_checkpoint
from methods.encoders.losses import all_losses
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


class Killed(Exception):
    """Stands for kill -9: nothing catches it."""


@pytest.mark.parametrize(
    ("stop_at", "error", "saved"),
    [
        (5, Killed, 4),  # the step of the last validation
        (5, Interrupted, 5),
        (4, Interrupted, 4),  # where a validation is due as well
        (1, Interrupted, 1),  # before the first validation
        (6, Interrupted, 6),
    ],
)
def test_a_resumed_run_ends_with_the_same_files(
    tmp_path: Path, corpus: str, stop_at: int, error: type[Exception], saved: int
) -> None:
    def run(out: str):
        return load_run([f"corpus={corpus}", f"out={tmp_path / out}", *FAST])

    def stop(step: int) -> None:
        if step == stop_at:
            raise error

    train(run("whole"), lambda step: None, lambda validation: None, print)
    with pytest.raises(error):
        train(run("stopped"), stop, lambda validation: None, print)
    assert json.loads((tmp_path / "stopped" / "training.json").read_text())["step"] == saved
    steps: list[int] = []
    train(run("stopped"), steps.append, lambda validation: None, print)
    assert steps == (list(range(saved + 1, 7)) or [6])
    whole, stopped = (
        read_checkpoint(tmp_path / n / "last.safetensors") for n in ("whole", "stopped")
    )
    assert all(torch.equal(whole.tensors[key], stopped.tensors[key]) for key in whole.tensors)
    assert whole.training.metrics == stopped.training.metrics
    curves = [(tmp_path / n / "curves.csv").read_text().splitlines() for n in ("whole", "stopped")]
    assert len(curves[0]) == len(curves[1]) == 4


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"step": "4"}'])
def test_a_damaged_state_starts_the_training_over(
    tmp_path: Path, corpus: str, content: str
) -> None:
    run = load_run([f"corpus={corpus}", f"out={tmp_path / 'x'}", *FAST])
    train(run, lambda step: None, lambda validation: None, print)
    (tmp_path / "x" / "training.json").write_text(content)
    steps: list[int] = []
    said: list[str] = []
    train(run, steps.append, lambda validation: None, said.append)
    assert steps == list(range(1, 7))
    assert len(said) == 1 and "training.json: " in said[0]
    assert said[0].endswith("; training starts over.")


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors", "state.pt"])
def test_a_changed_byte_in_a_result_is_said_and_made_good(
    tmp_path: Path, corpus: str, name: str
) -> None:
    run = load_run([f"corpus={corpus}", f"out={tmp_path / 'x'}", *FAST, "steps=4"])
    train(run, lambda step: None, lambda validation: None, print)
    before = {path: path.read_bytes() for path in run.folder.glob("*.safetensors")}
    changed = bytearray((run.folder / name).read_bytes())
    changed[-200] ^= 1
    (run.folder / name).write_bytes(changed)
    said: list[str] = []
    longer = [] if name != "state.pt" else ["steps=6"]  # a finished training reads no state
    again = load_run([f"corpus={corpus}", f"out={tmp_path / 'x'}", *FAST, "steps=4", *longer])
    train(again, lambda step: None, lambda validation: None, said.append)
    assert len(said) == 1 and name in said[0] and "checksum mismatch" in said[0]
    if not longer:
        assert {path: path.read_bytes() for path in run.folder.glob("*.safetensors")} == before


@pytest.mark.parametrize(
    ("good_losses", "message", "kept_step"),
    [
        (3, "at step 2: total=nan.*checkpoints of the last validation are kept", 2),
        (5, "in the validation after step 4: val_total=nan.*last validation are kept", 2),
        (1, "at step 1: total=nan.*so there is no checkpoint", None),
        (2, "in the validation after step 2.*so there is no checkpoint", None),
    ],
)
def test_a_diverged_run_keeps_the_last_good_checkpoint(
    cli,
    tmp_path: Path,
    corpus: str,
    monkeypatch: pytest.MonkeyPatch,
    good_losses: int,
    message: str,
    kept_step: int | None,
) -> None:
    """Two steps, a validation, and so on: every one of them computes the losses once."""
    computed: list[object] = []

    def losses(*arguments):
        computed.append(None)
        parts = all_losses(*arguments)
        bad = len(computed) > good_losses
        return replace(parts, total=parts.total * float("nan")) if bad else parts

    monkeypatch.setattr("methods.encoders.training.all_losses", losses)
    result = cli("train-encoder", f"corpus={corpus}", "out=x", *FAST)
    assert result.code == 1
    assert re.search(f"Training diverged {message}", result.err), result.err
    assert (tmp_path / "x" / "training.json").exists() == (kept_step is not None)
    if kept_step is not None:
        for name in ("last.safetensors", "best.safetensors"):
            kept = read_checkpoint(tmp_path / "x" / name)
            assert kept.training.step == kept_step
            assert all(tensor.isfinite().all() for tensor in kept.tensors.values())
        state = torch.load(tmp_path / "x" / "state.pt", weights_only=True)
        assert state["step"] == kept_step


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
        (["chunk_latents=2", "loss.window=1", "loss=recon"], "chunks of at least 3"),
        (["weight_decay=-1"], "weight_decay can't be negative"),
        (["backbone=a,b"], "Unknown training key 'backbone'"),
        (["loss=recon,full"], "takes one value"),
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
    write_corpus(Path(corpus), num_samples=4)
    result = cli("train-encoder", f"corpus={corpus}", "out=x", *FAST)
    assert result.code == 2
    assert "trained on another corpus" in result.err


def test_settings_that_earlier_trainings_lack_are_named_only_where_they_are_used() -> None:
    before = load_run(["corpus=c"]).deciding()
    assert "latent_size" not in before and "normalise" not in before["loss"]
    now = load_run(["corpus=c", "latent_size=[60,104]", "loss.normalise=true"]).deciding()
    assert (now["latent_size"], now["loss"]["normalise"]) == ([60, 104], True)


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
    train(run, lambda step: None, lambda validation: None, print)
    assert [step for step, _ in logged] == [2, 4, 6, -1]
