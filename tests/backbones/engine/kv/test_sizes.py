from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from backbones.engine.kv import sizes
from backbones.engine.kv.sizes import HostRoom, most_reachable, tier_sizes
from backbones.engine.runtime import KVLimits
from harness.core.errors import LongtakeError
from methods.base import RolloutSpec
from methods.controls import Oldest, Recency
from methods.rag import Rag
from methods.sliding_window import SlidingWindow

CPU, GPU = torch.device("cpu"), torch.device("cuda")
WAN_SLAB_BYTES = 2 * 30 * 1560 * 1536 * 2  # keys and values of 30 layers in bfloat16
GIB = 2**30


def rollout(num_latents: int) -> RolloutSpec:
    return RolloutSpec(
        num_latents=num_latents,
        block_latents=3,
        budget_latents=12,
        trained_latents=21,
        rope_positions=1024,
        latent_shape=(16, 4, 4),
        seed=0,
    )


@pytest.fixture(autouse=True)
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "available_host_bytes", lambda: 500 * GIB)
    monkeypatch.setattr(sizes, "host_share_bytes", lambda: 250 * GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=500 * GIB))


def test_a_sliding_window_needs_no_more_memory_for_a_longer_video() -> None:
    for strategy, most in ((SlidingWindow(), 12), (Oldest(), 19), (Recency(), 27)):
        for num_latents in (120, 480):
            strategy.reset(rollout(num_latents))
            assert most_reachable(strategy, rollout(num_latents)) == most


def test_retrieval_may_return_to_any_frame() -> None:
    strategy = Rag()
    strategy.reset(rollout(480))
    assert most_reachable(strategy, rollout(480)) == 480


def test_frames_that_fit_on_the_device_use_no_other_tier() -> None:
    found = tier_sizes(KVLimits(), 2**20, 120, 12, GPU, free_bytes=40 * GIB)
    assert (found.device, found.host, found.spilled) == (120, 0, 0)


def test_120_s_of_retrieval_at_full_size_stay_within_the_host_limit() -> None:
    found = tier_sizes(KVLimits(host_gib=48), WAN_SLAB_BYTES, 480, 12, GPU, free_bytes=60 * GIB)
    assert 0.8 * 60 * GIB < found.device * WAN_SLAB_BYTES <= 0.9 * 60 * GIB
    assert found.pinned * WAN_SLAB_BYTES <= 48 * GIB
    assert found.pinned == found.host + 2
    # The file has room for the frames of which host memory keeps a copy as well, to be ready.
    assert found.device + found.host + found.spilled == 480 + 12 + 12


def test_host_memory_is_used_before_the_file() -> None:
    """120 s beside a card of 24 GB: by default no file, as long as most of the memory suffices."""
    found = tier_sizes(KVLimits(), WAN_SLAB_BYTES, 480, 12, GPU, free_bytes=8 * GIB)
    assert (found.device + found.host, found.spilled) == (480 + 12, 0)
    assert found.host * WAN_SLAB_BYTES < 0.8 * 250 * GIB


def test_rollouts_in_step_have_the_memory_of_one_together() -> None:
    sizes_of_one = (KVLimits(), WAN_SLAB_BYTES, 480, 12, GPU)
    alone = tier_sizes(*sizes_of_one, free_bytes=16 * GIB)
    each = tier_sizes(*sizes_of_one, free_bytes=8 * GIB, host=HostRoom.now().of_each(4))
    assert (alone.spilled, each.pinned * WAN_SLAB_BYTES <= 0.8 * 250 / 4 * GIB) == (0, True)
    assert each.spilled > 0
    limits = KVLimits(host_gib=120.0)  # of the 500 available, but not for each of five
    tier_sizes(limits, *sizes_of_one[1:], free_bytes=8 * GIB)
    with pytest.raises(LongtakeError, match=r"of host memory; 100\.0 GiB is available"):
        host = HostRoom.now().of_each(5)
        tier_sizes(limits, *sizes_of_one[1:], free_bytes=8 * GIB, host=host)


def test_too_little_pinned_memory_for_the_file_is_refused() -> None:
    for host_gib in (0.0, 3.5 * WAN_SLAB_BYTES / GIB):
        limits = KVLimits(host_gib=host_gib)
        with pytest.raises(LongtakeError, match=r"through 4 of them .* 1\.1 GiB; kv\.host_gib"):
            tier_sizes(limits, WAN_SLAB_BYTES, 480, 12, GPU, free_bytes=8 * GIB)
    limits = KVLimits(host_gib=4.5 * WAN_SLAB_BYTES / GIB)
    found = tier_sizes(limits, WAN_SLAB_BYTES, 480, 12, GPU, free_bytes=8 * GIB)
    assert (found.host, found.pinned) == (2, 4)


def test_the_cpu_has_one_limit_and_the_file() -> None:
    found = tier_sizes(KVLimits(host_gib=1.0), 2**25, 120, 12, CPU, free_bytes=40 * GIB)
    assert (found.device, found.host, found.spilled) == (32, 0, 100)
    found = tier_sizes(KVLimits(), 2**25, 120, 12, CPU, free_bytes=2 * GIB)
    assert (found.device, found.host, found.spilled) == (51, 0, 81)  # of 1.6 GiB


@pytest.mark.parametrize(
    ("limits", "device", "message"),
    [
        (KVLimits(host_gib=0.01), CPU, r"needs 3\.2 GiB .* kv\.host_gib leaves 0\.0 GiB"),
        (KVLimits(device_gib=1.0), GPU, r"needs 3\.2 GiB .* kv\.device_gib leaves 1\.0 GiB"),
        (KVLimits(host_gib=600.0, device_gib=9.0), GPU, r"Lower kv\.host_gib"),
        (KVLimits(device_gib=50.0), GPU, r"is 50\.0 GiB, but cuda has 40\.0 GiB free"),
        (KVLimits(spill_dir="no/such/folder"), GPU, r"kv\.spill_dir='no/such/folder'"),
    ],
)
def test_too_little_memory_names_the_setting(
    limits: KVLimits, device: torch.device, message: str
) -> None:
    with pytest.raises(LongtakeError, match=message):
        tier_sizes(limits, WAN_SLAB_BYTES, 9999, 12, device, free_bytes=40 * GIB)


def test_more_device_memory_than_there_is_is_refused_however_short_the_video() -> None:
    with pytest.raises(LongtakeError, match=r"is 1000\.0 GiB, .* Lower kv\.device_gib"):
        tier_sizes(KVLimits(device_gib=1000), WAN_SLAB_BYTES, 12, 12, GPU, free_bytes=40 * GIB)


def test_too_small_a_disk_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=GIB))
    limits = KVLimits(host_gib=48, spill_dir=str(tmp_path))
    with pytest.raises(LongtakeError, match=r"which has 1\.0 GiB free. Set kv\.spill_dir"):
        tier_sizes(limits, WAN_SLAB_BYTES, 480, 12, GPU, free_bytes=40 * GIB)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_limit_is_a_number_of_gib(value: float) -> None:
    with pytest.raises(LongtakeError, match=r"kv\.host_gib must be a number"):
        KVLimits(host_gib=value)
