from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from backbones.engine.attention import AttentionShape, fastest, pick_kernel
from backbones.engine.runtime import AttentionKernel
from harness.core.errors import ConfigError

SHAPE = AttentionShape(heads=2, queries=8, keys=16, head_dim=16, dtype=torch.float32)
KERNELS = (AttentionKernel.cudnn, AttentionKernel.flash, AttentionKernel.efficient)
SECONDS = {
    AttentionKernel.cudnn: float("inf"),
    AttentionKernel.flash: 2.0,
    AttentionKernel.efficient: 1.0,
}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path))
    return tmp_path / "attention.json"


def test_the_fastest_kernel_is_measured_once_and_stored(cache: Path) -> None:
    assert fastest("a card", KERNELS, SECONDS.__getitem__) is AttentionKernel.efficient
    slower_today = {kernel: -seconds for kernel, seconds in SECONDS.items()}
    assert fastest("a card", KERNELS, slower_today.__getitem__) is AttentionKernel.efficient
    assert fastest("another", KERNELS, slower_today.__getitem__) is AttentionKernel.cudnn
    assert set(json.loads(cache.read_text())) == {"a card", "another"}


def test_without_a_working_kernel_nothing_is_stored(cache: Path) -> None:
    assert fastest("a card", KERNELS, lambda _: float("inf")) is AttentionKernel.math
    assert not cache.exists()


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a card": 1}', '{"a card": "none"}', "[]"])
def test_a_damaged_note_is_measured_again(cache: Path, text: str) -> None:
    cache.write_text(text)
    assert fastest("a card", KERNELS, SECONDS.__getitem__) is AttentionKernel.efficient


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_processor_takes_its_fused_kernel_without_measuring(
    cache: Path, dtype: torch.dtype
) -> None:
    kernel = pick_kernel(AttentionKernel.auto, SHAPE, torch.device("cpu"))
    assert kernel is AttentionKernel.flash
    assert not cache.exists()
    assert pick_kernel(AttentionKernel.math, SHAPE, torch.device("cpu")) is AttentionKernel.math


def test_a_faulty_cudnn_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    shape = AttentionShape(heads=1, queries=8, keys=8, head_dim=8, dtype=torch.float32)
    with pytest.raises(ConfigError, match=r"attention=cudnn doesn't run on cuda.*91002 is faulty"):
        pick_kernel(AttentionKernel.cudnn, shape, torch.device("cuda"))
