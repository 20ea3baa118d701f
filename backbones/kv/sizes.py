"""How many latent frames each memory tier holds, or why a rollout can't fit."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from backbones.kv.tiers import TierSizes
from backbones.memory import GIB, available_host_bytes
from harness.errors import LongtakeError
from methods.base import reachable

if TYPE_CHECKING:
    from backbones.runtime import KVLimits
    from methods.base import MemoryStrategy, RolloutSpec

# Of the device memory that is free once the models are loaded; the rest is for activations.
_SHARE_OF_FREE = 0.7


def spare_slabs(rollout: RolloutSpec) -> int:
    """Slabs to keep ready on the device: those of a whole context and of a block."""
    return rollout.budget_latents


def most_reachable(strategy: MemoryStrategy, rollout: RolloutSpec) -> int:
    """Most frames that must be kept at once, the block just made included.

    Args:
        strategy: after its `reset`.
        rollout: the video to be made.
    """
    size = rollout.block_latents
    starts = range(0, rollout.num_latents, size)
    return max(len(set(reachable(strategy, start))) for start in starts) + size


def tier_sizes(
    limits: KVLimits,
    slab_bytes: int,
    num_slabs: int,
    spare: int,
    device: torch.device,
    free_device_bytes: int | None = None,
) -> TierSizes:
    """Share out the frames of a rollout.

    Args:
        limits: the user's.
        slab_bytes: keys and values of one latent frame.
        num_slabs: most frames that must be kept at once.
        spare: slabs to keep ready on the device.
        device: where the rollout runs.
        free_device_bytes: device memory that may be used; by default asked of the device.

    Raises:
        LongtakeError: it can't fit; the message says how much is needed and what would lower it.
    """
    on_gpu = device.type == "cuda"
    if on_gpu and limits.device_gib is None:
        free = free_device_bytes
        if free is None:
            free, _ = torch.cuda.mem_get_info(device)
        device_gib, device_setting = _SHARE_OF_FREE * free / GIB, "kv.device_gib"
    elif on_gpu:
        assert limits.device_gib is not None
        device_gib, device_setting = limits.device_gib, "kv.device_gib"
    else:
        device_gib, device_setting = limits.host_gib, "kv.host_gib"
    on_device = math.floor(device_gib * GIB / slab_bytes)
    if on_device < spare:
        raise LongtakeError(
            f"A context of {spare} latent frames needs {_gib(spare * slab_bytes)} of keys and "
            f"values; {device_setting} leaves {_gib(device_gib * GIB)}. Raise it, or lower "
            "backbone.budget_latents."
        )
    on_device = min(on_device, num_slabs + spare)
    below = 0 if on_device == num_slabs + spare else num_slabs
    on_host = min(math.floor(limits.host_gib * GIB / slab_bytes), below) if on_gpu else 0
    host_bytes = (on_host if on_gpu else on_device) * slab_bytes
    if host_bytes > (available := available_host_bytes()):
        raise LongtakeError(
            f"Keys and values would take {_gib(host_bytes)} of host memory; {_gib(available)} is "
            "available. Lower kv.host_gib (the rest goes to a scratch file in kv.spill_dir) or "
            "the duration."
        )
    folder = Path(limits.spill_dir or tempfile.gettempdir())
    spilled = below - on_host
    if spilled and not folder.is_dir():
        raise LongtakeError(f"kv.spill_dir={str(folder)!r} is not a folder.")
    if spilled and spilled * slab_bytes > (free_disk := shutil.disk_usage(folder).free):
        raise LongtakeError(
            f"Keys and values of {spilled} latent frames, {_gib(spilled * slab_bytes)}, would go "
            f"to a scratch file in {folder}, which has {_gib(free_disk)} free. Set kv.spill_dir to "
            "a larger disk, raise kv.host_gib, or lower the duration."
        )
    return TierSizes(on_device, on_host, spilled, folder)


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / GIB:.1f} GiB"
