from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.core.torchscript import is_torchscript, read_torchscript


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.register_buffer("steps", torch.arange(4))
        self.mask = torch.ones(3)  # neither a parameter nor a buffer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.mask[0] + self.steps[0]


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.low = Inner().half()
        self.full = Inner()
        self.layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        self.layers[1].weight = self.layers[0].weight
        self.turned = nn.Parameter(torch.randn(3, 4).t())
        self.none = nn.Parameter(torch.zeros(0, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(self.full(x))


def archive(path: Path, form: str = "script") -> Path:
    torch.manual_seed(0)
    if form == "script":
        torch.jit.script(Outer()).save(str(path))
    else:
        torch.jit.trace(Outer(), torch.zeros(1, 3)).save(str(path))
    return path


def rewrite(path: Path, change: Callable[[str, bytes], bytes], packed: bool = False) -> None:
    """Write an archive again with other content."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else 0) as file:
        for name, content in members.items():
            file.writestr(name, change(name, content))


@pytest.mark.parametrize("form", ["script", "trace"])
def test_the_tensors_are_those_of_the_interpreter(tmp_path: Path, form: str) -> None:
    path = archive(tmp_path / "a.pt", form)
    expected = torch.jit.load(str(path)).state_dict()

    found = read_torchscript(path)

    assert list(found) == list(expected)
    assert "full.mask" not in found
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)
        assert found[name].stride() == tensor.stride()


def test_a_prefix_reads_a_part(tmp_path: Path) -> None:
    found = read_torchscript(archive(tmp_path / "a.pt"), "full.")
    assert set(found) == {"full.linear.weight", "full.linear.bias", "full.steps"}


def test_archives_are_told_from_state_dicts(tmp_path: Path) -> None:
    torch.save(Outer().state_dict(), tmp_path / "state.pt")
    (tmp_path / "text.pt").write_text("no archive")
    assert is_torchscript(archive(tmp_path / "a.pt"))
    assert not is_torchscript(tmp_path / "state.pt")
    assert not is_torchscript(tmp_path / "text.pt")


class WithState(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)

    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return 3, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        self.training = state[1]


def test_a_module_that_only_its_code_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.jit.script(WithState()).save(str(path))
    with pytest.raises(pickle.UnpicklingError, match="needs its own code"):
        read_torchscript(path)


DAMAGES: dict[str, Callable[[str, bytes], bytes]] = {
    "short tensor": lambda name, old: old[:-1] if name.endswith("data/0") else old,
    "cut pickle": lambda name, old: old[:90] if name.endswith("data.pkl") else old,
    "other pickle": lambda name, old: pickle.dumps([1]) if name.endswith("data.pkl") else old,
    "text": lambda name, old: b"<html>" if name.endswith("data.pkl") else old,
    "undecodable code": lambda name, old: b"\xff" if name.endswith(".py") else old,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: str) -> None:
    path = archive(tmp_path / "a.pt")
    rewrite(path, DAMAGES[damage])
    with pytest.raises(pickle.UnpicklingError):
        read_torchscript(path)


def test_packed_tensors_and_truncated_archives_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.pt")
    rewrite(path, lambda _, old: old, packed=True)
    with pytest.raises(pickle.UnpicklingError, match="compressed"):
        read_torchscript(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(zipfile.BadZipFile):
        read_torchscript(path)
