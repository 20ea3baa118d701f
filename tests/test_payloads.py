"""No reader of weights runs code that a file brings along."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from backbones.engine.weights import read_checkpoint as read_backbone
from backbones.street.training.loop import Loop
from eval.metrics.text_alignment import OpenClipImages
from eval.networks.weights import LayoutFile, read_state
from eval.vbench_long.networks.openai_clip import load_vision
from eval.vbench_long.official_code import checked_jit
from methods.encoders.checkpoint import read_checkpoint as read_encoder
from methods.encoders.dino import Dino
from methods.encoders.training import Trainer


class Payload:
    """A pickle that makes a file when it is loaded, if it can."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.made,))


class Opener(nn.Module):
    """A part of a TorchScript module whose code makes a file when it is loaded."""

    def __init__(self, made: Path) -> None:
        super().__init__()
        self.made = str(made)
        self.opened = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.made, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.made = state[0]
        self.training = state[1]
        self.opened = torch.from_file(state[0], True, 8).numel()


class ScriptedPayload(nn.Linear):
    """Weights with such a part."""

    def __init__(self, made: Path) -> None:
        super().__init__(2, 2)
        self.opener = Opener(made)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.opener(x)


def _pickled(path: Path, made: Path, zipped: bool = True) -> None:
    content = {"model": {"w": torch.zeros(2)}, "config": Payload(made)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)


FORMS: dict[str, Callable[[Path, Path], Any]] = {
    "torch": _pickled,
    "torch before 1.6": lambda path, made: _pickled(path, made, zipped=False),
    "bare pickle": lambda path, made: path.write_bytes(pickle.dumps(Payload(made), 2)),
    "TorchScript": lambda path, made: torch.jit.script(ScriptedPayload(made)).save(str(path)),
}


def _trusting(path: Path) -> None:
    """Read a file as one should not."""
    for load in (torch.jit.load, lambda p: torch.load(p, weights_only=False), _unpickle):
        with contextlib.suppress(Exception):
            load(path)


def _unpickle(path: Path) -> None:
    pickle.loads(path.read_bytes())


def _file(path: Path) -> LayoutFile:
    return LayoutFile("", str(path), "")


READERS: dict[str, Callable[[Path], Any]] = {
    "backbone": read_backbone,
    "network of a metric": read_state,
    "clip": lambda path: load_vision(_file(path), width=2, patch=2),
    "open_clip": lambda path: OpenClipImages("images", "ViT", _file(path)).create(),
    "encoder": read_encoder,
    "dino": lambda path: Dino(str(path)),
    "resumed encoder": lambda path: Trainer.restore(SimpleNamespace(_device="cpu"), path),
    "resumed street": lambda path: Loop.restore(SimpleNamespace(), path),
}


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for clip and open_clip, whose own readers torch.load guards."""
    clip = types.ModuleType("clip.model")
    clip.VisionTransformer = nn.Identity
    open_clip = types.ModuleType("open_clip")
    open_clip.list_models = lambda: ["ViT"]
    open_clip.create_model = lambda name: nn.Linear(2, 2)
    open_clip.load_checkpoint = lambda network, path: network.load_state_dict(torch.load(path))
    monkeypatch.setitem(sys.modules, "clip", types.ModuleType("clip"))
    monkeypatch.setitem(sys.modules, "clip.model", clip)
    monkeypatch.setitem(sys.modules, "open_clip", open_clip)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_of_weights_runs_what_a_file_brings(
    tmp_path: Path, reader: str, form: str
) -> None:
    made, path = tmp_path / "made", tmp_path / "w.pt"
    FORMS[form](path, made)
    made.unlink(missing_ok=True)  # compiling the payload may run it, too

    # What cannot be read is refused; what can be read beside the payload may be used.
    with contextlib.suppress(Exception):
        READERS[reader](path)
    assert not made.exists()

    _trusting(path)
    assert made.exists(), "the payload would have run"


def test_open_clip_reads_the_tensors_of_an_archive(tmp_path: Path) -> None:
    archive = tmp_path / "w.pt"
    weights = nn.Linear(2, 2)
    torch.jit.script(weights).save(str(archive))
    network = OpenClipImages("images", "ViT", _file(archive)).create()
    torch.testing.assert_close(network.weight, weights.weight, rtol=0, atol=0)


@pytest.mark.parametrize("opened", [False, True])
def test_the_official_code_runs_archives_of_published_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    path, made = tmp_path / "ViT-B-32.pt", tmp_path / "made"
    FORMS["TorchScript"](path, made)
    load = checked_jit.loading_published(torch.jit.load)

    def read() -> torch.nn.Module:
        with path.open("rb") as file:
            return load(file if opened else str(path), map_location="cpu")

    with pytest.raises(RuntimeError, match=r"ViT-B-32\.pt is not the published file"):
        read()
    assert not made.exists()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(checked_jit, "_PUBLISHED", {digest})
    assert "weight" in read().state_dict()
    assert made.exists()  # what would have happened above
