"""LPIPS with seeded weights: the numbers of the package lpips 0.1.4 with the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from eval.clip import Clip
from eval.errors import MetricUnavailable
from eval.networks.lpips import ALEXNET, LINEAR, LPIPS
from eval.networks.weights import WeightsUnusable

CONVOLUTIONS = {
    0: (64, 3, 11, 11),
    3: (192, 64, 5, 5),
    6: (384, 192, 3, 3),
    8: (256, 384, 3, 3),
    10: (256, 256, 3, 3),
}
BY_PACKAGE = {(64, 96): 0.8753300309181213, (31, 37): 0.9234559535980225}


def seeded_weights() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """State dicts of AlexNet's convolutions and of the linear layers."""
    generator = np.random.default_rng(0)
    alexnet, linear = {}, {}
    for stage, (index, shape) in enumerate(CONVOLUTIONS.items()):
        scale = np.sqrt(2 / np.prod(shape[1:]))
        weight = generator.normal(0, scale, shape).astype(np.float32)
        alexnet[f"features.{index}.weight"] = torch.from_numpy(weight)
        bias = generator.normal(0, 0.1, shape[0]).astype(np.float32)
        alexnet[f"features.{index}.bias"] = torch.from_numpy(bias)
        positive = generator.random((1, shape[0], 1, 1)).astype(np.float32)
        linear[f"lin{stage}.model.1.weight"] = torch.from_numpy(positive)
    return alexnet, linear


def pair(height: int, width: int) -> np.ndarray:
    """Two unlike frames."""
    return np.random.default_rng(1).integers(0, 256, (2, height, width, 3), np.uint8)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "longtake"))
    monkeypatch.delenv("TORCH_HOME", raising=False)
    for file, state in zip((ALEXNET, LINEAR), seeded_weights(), strict=True):
        file.path.parent.mkdir(parents=True)
        torch.save(state, file.path)


def test_distances_are_those_of_the_package(weights: None) -> None:
    run = LPIPS.load("cpu")
    for size, expected in BY_PACKAGE.items():
        frames = pair(*size)
        assert run(Clip(frames, 0, 1, ""))[0] == pytest.approx(expected, abs=1e-6)
        assert run(Clip(frames[[0, 0]], 0, 1, ""))[0] == 0
    with pytest.raises(MetricUnavailable, match="at least 31 px"):
        run(Clip(pair(30, 64), 0, 1, ""))


def test_weights_that_are_missing_or_of_another_network_are_said_with_the_command(
    weights: None,
) -> None:
    torch.save({"features.0.weight": torch.zeros(1)}, ALEXNET.path)
    with pytest.raises(WeightsUnusable, match="cannot be loaded as weights of lpips_alex"):
        LPIPS.load("cpu")
    ALEXNET.path.unlink()
    with pytest.raises(MetricUnavailable, match="fetch-weights suite=fidelity"):
        LPIPS.load("cpu")
