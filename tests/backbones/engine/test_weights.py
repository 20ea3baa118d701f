from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from backbones.engine.weights import load_strictly, read_checkpoint, read_tensors, unfilled
from harness.core.errors import LongtakeError, MissingWeights
from methods.encoders import checkpoint
from methods.encoders.dino import Dino

TENSORS = {"weight": torch.arange(600.0).reshape(2, 300), "bias": torch.zeros(2)}


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "old.pt", "w.safetensors"])
def test_every_file_form_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(TENSORS, path)
    else:
        torch.save(TENSORS, path, _use_new_zipfile_serialization=path.stem != "old")
    read = read_tensors(path, torch.bfloat16)
    assert read.keys() == TENSORS.keys()
    assert torch.equal(read["weight"], TENSORS["weight"].bfloat16())


def test_tensors_outlive_the_file_they_were_read_from(tmp_path: Path) -> None:
    path = save(tmp_path / "w.pt", TENSORS)
    read = read_tensors(path, torch.float32)
    path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(read["weight"], TENSORS["weight"])


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "noise"])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, name: str, damage: str) -> None:
    path = tmp_path / name
    save_file(TENSORS, path) if path.suffix == ".safetensors" else save(path, TENSORS)
    content = path.read_bytes()
    damaged = {"truncated": content[: len(content) // 2], "empty": b"", "noise": b"\x93" * 999}
    path.write_bytes(damaged[damage])
    with pytest.raises(LongtakeError, match=f"{name} is truncated or not a") as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value)


class Payload:
    """A pickle that makes a file when it is loaded, if it can."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.made,))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (b"<!DOCTYPE html><title>Not found</title>", "a web page"),
        (b"PK not a zip", "it holds no tensors that can be read"),
    ],
)
def test_what_lies_in_the_place_of_weights_is_said(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(MissingWeights, match=re.escape(said)):
        read_checkpoint(path)
    for reader in (Dino, checkpoint.read_checkpoint):
        with pytest.raises(MissingWeights) as refused:
            reader(str(path) if reader is Dino else path)
        assert said in str(refused.value)
        assert "weights_only" not in str(refused.value)


@pytest.mark.parametrize("form", ["torch", "bare pickle"])
def test_a_pickle_that_wants_to_run_code_does_not_run_it(tmp_path: Path, form: str) -> None:
    made, path = tmp_path / "made", tmp_path / "w.pt"
    content = {"generator": TENSORS, "extra": Payload(made)}
    save(path, content) if form == "torch" else path.write_bytes(pickle.dumps(content, 2))
    with pytest.raises(LongtakeError, match=r"w\.pt was not loaded|w\.pt is truncated or not"):
        read_checkpoint(path)
    assert not made.exists()
    torch.load(path, weights_only=False) if form == "torch" else pickle.loads(path.read_bytes())
    assert made.exists(), "the payload would have run"


def test_the_error_names_what_a_pickle_wants_to_call(tmp_path: Path) -> None:
    path = save(tmp_path / "w.pt", {"extra": Payload(tmp_path / "made")})
    with pytest.raises(
        LongtakeError, match=r"wants to call \S*Path.touch|wants to call \S*getattr"
    ):
        read_checkpoint(path)


def test_the_error_names_the_content_of_another_file(tmp_path: Path) -> None:
    path = save(tmp_path / "w.pt", {"model": TENSORS, "step": 3})
    with pytest.raises(LongtakeError, match="not a state dict; it holds the keys model; step"):
        read_tensors(path, torch.float32)


def test_tensors_that_do_not_fit_are_named() -> None:
    with torch.device("meta"):
        module = nn.Linear(300, 2)
    load_strictly(module, TENSORS, "w.pt")
    assert torch.equal(module.weight, TENSORS["weight"])
    wrong = {"weight": torch.zeros(3, 300), "gain": torch.zeros(2)}
    with pytest.raises(LongtakeError) as error:
        load_strictly(module, wrong, "w.pt")
    for part in ("bias is missing", "gain is unexpected", "shape (3, 300), expected (2, 300)"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    "kind, sizes", [(nn.Embedding, (3, 4)), (nn.Linear, (3, 4)), (nn.Conv3d, (3, 4, 1))]
)
def test_network_without_memory_gets_no_first_values(
    kind: type[nn.Module], sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("normal_", "uniform_"):
        monkeypatch.setattr(torch.Tensor, name, None)
    with unfilled():
        network = kind(*sizes)
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
