from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from eval.clip import Clip
from eval.metric import MetricUnavailable
from eval.networks.torch_network import TorchNetwork
from eval.networks.weights import (
    LayoutFile,
    WeightsUnusable,
    check_files,
    load_weights,
    read_state,
)

FILE = LayoutFile(
    "some", "vbench/some_model/some.pth", "MIT", address="https://example.org/some.pth"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "cache"))
    for moved in ("VBENCH_CACHE_DIR", "TORCH_HOME"):
        monkeypatch.delenv(moved, raising=False)
    return tmp_path


def put(content: bytes) -> None:
    FILE.path.parent.mkdir(parents=True, exist_ok=True)
    FILE.path.write_bytes(content)


def test_files_belong_where_the_official_code_looks(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FILE.path == home / ".cache/vbench/some_model/some.pth"
    monkeypatch.setenv("VBENCH_CACHE_DIR", "/elsewhere")
    assert FILE.path == Path("/elsewhere/some_model/some.pth")
    hub = LayoutFile("", "torch/hub/checkpoints/a.pth", "")
    monkeypatch.setenv("TORCH_HOME", "/torch")
    assert hub.path == Path("/torch/hub/checkpoints/a.pth")


def test_missing_file_is_named_with_the_command_that_gets_it() -> None:
    with pytest.raises(MetricUnavailable) as caught:
        FILE.check()
    for part in (str(FILE.path), "fetch-weights suite=vbench_long", FILE.url):
        assert part in str(caught.value)


def test_unusable_file_is_remembered_until_it_changes() -> None:
    put(b"not weights")
    check_files([FILE], "DINO")

    def load() -> None:
        raise RuntimeError("Missing key(s) in state_dict:\n blocks.0")

    with pytest.raises(WeightsUnusable, match="cannot be loaded as weights of DINO: Missing key"):
        load_weights([FILE], load, "DINO")
    with pytest.raises(WeightsUnusable, match="cannot be loaded as weights of DINO"):
        check_files([FILE], "DINO")
    check_files([FILE], "DINOv2")  # the file may be right for another network
    put(b"the right weights now")
    check_files([FILE], "DINO")


def test_a_file_of_a_few_bytes_is_unusable() -> None:
    """Torch asks the system for a place before its start; that is not an error of the disk."""
    put(b"x")
    with pytest.raises(WeightsUnusable, match="cannot be loaded"):
        load_weights([FILE], lambda: read_state(FILE.path), "DINO")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory"),
        FileNotFoundError("vocabulary"),
        ImportError("vbench"),
        AttributeError("module 'timm' has no attribute 'layers'"),
        OSError(errno.EIO, "Input/output error"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_do_not_mark_the_file_as_unusable(error: Exception) -> None:
    put(b"weights")

    def load() -> None:
        raise error

    with pytest.raises(type(error)):
        load_weights([FILE], load, "DINO")
    check_files([FILE], "DINO")


class OnDevice(TorchNetwork):
    """A network that a device refuses, and the CPU too if its file says so."""

    name = "on_device"
    size_mib = 1
    packages = ()
    files = (FILE,)

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        if device != "cpu":
            raise torch.AcceleratorError("CUDA error: no kernel image is available")
        if FILE.path.read_bytes() == b"bad":
            raise RuntimeError("Missing key(s) in state_dict")
        return lambda clip: np.array(torch.backends.cudnn.allow_tf32)


def test_weights_that_only_a_device_refuses_are_not_called_unusable() -> None:
    put(b"good")
    with pytest.raises(torch.AcceleratorError):
        OnDevice().load("cuda")
    check_files([FILE], "on_device v1")
    put(b"still bad"[6:])
    with pytest.raises(WeightsUnusable, match="Missing key"):
        OnDevice().load("cuda")
    with pytest.raises(WeightsUnusable):
        check_files([FILE], "on_device v1")


def test_networks_compute_without_tf32() -> None:
    put(b"good")
    frames = np.zeros((1, 2, 2, 3), np.uint8)
    assert not OnDevice().load("cpu")(Clip(frames, 0, 16, ""))
    assert torch.backends.cudnn.allow_tf32
