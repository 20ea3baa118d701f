"""Latent frames that each memory tier holds, or the reason why a rollout can't fit."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from backbones.engine.kv.pinned import POOL
from backbones.engine.kv.tiers import STAGING, TierSizes, host_spare
from harness.core.errors import ConfigError, DeviceError
from harness.core.machine import GIB, available_host_bytes, host_share_bytes
from methods.base import reachable
from methods.virtual import num_slots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backbones.engine.runtime import KVLimits
    from backbones.engine.spec import BackboneSpec
    from methods.base import MemoryStrategy, RolloutSpec

# Of the device memory that models, context and decoder leave; the rest is for what is not counted.
_SHARE_OF_DEVICE = 0.9
_SHARE_OF_HOST = 0.8
# Pinned slabs without which a GPU cannot use the scratch file: to read, and to write.
_LEAST_PINNED = 2 * STAGING


class Kept(NamedTuple):
    """The past that a rollout keeps at once.

    Attributes:
        latents: most latent frames, the block just made included.
        slots: slots of virtual frames.
    """

    latents: int
    slots: int

    def kv_bytes(self, spec: BackboneSpec) -> int:
        """Return the bytes of all keys and values."""
        return self.latents * spec.kv_bytes_per_latent + slot_bytes(spec, self.slots)


@dataclass(frozen=True)
class HostRoom:
    """Memory of the host, and disk, that a rollout may plan with.

    Attributes:
        share_bytes: memory that limits follow from where none are set.
        available_bytes: memory that may still be allocated.
        rollouts: rollouts in step that share the free space of the disk.
    """

    share_bytes: int
    available_bytes: int
    rollouts: int = 1

    @classmethod
    def now(cls) -> HostRoom:
        """Return what there is now."""
        idle = POOL.idle_bytes
        return cls(host_share_bytes() + idle, available_host_bytes() + idle)

    def of_each(self, number: int) -> HostRoom:
        """Return the part of each of several rollouts in step."""
        return HostRoom(self.share_bytes // number, self.available_bytes // number, number)


def slot_bytes(spec: BackboneSpec, slots: int) -> int:
    """Return the bytes of slots of virtual frames, which are float32."""
    return slots * spec.shape.kv_bytes(1, torch.float32)


def spare_slabs(rollout: BackboneSpec | RolloutSpec, slots: int) -> int:
    """Return the slabs to keep ready on the device: a context, a block, and what writes read."""
    return rollout.budget_latents + (2 * rollout.block_latents if slots else 0)


def most_reachable(strategy: MemoryStrategy, rollout: RolloutSpec) -> int:
    """Return the most frames that must be kept at once, the block just made included.

    Args:
        strategy: after its `reset`.
        rollout: the video to be made.
    """
    size = rollout.block_latents
    starts = range(0, rollout.num_latents, size)
    return max(len(set(reachable(strategy, start))) for start in starts) + size


def most_kept(strategy: MemoryStrategy, rollouts: Sequence[RolloutSpec]) -> Kept:
    """Reset a strategy for the first rollout; return the most that any of them must keep.

    Args:
        strategy: the strategy.
        rollouts: `BackboneSpec.rollouts` of the video, at least one.
    """
    latents = slots = 0
    for rollout in reversed(rollouts):  # so that the last reset is that of the first rollout
        strategy.reset(rollout)
        latents = max(latents, most_reachable(strategy, rollout))
        slots = max(slots, num_slots(strategy))
    return Kept(latents, slots)


def plan_tiers(
    spec: BackboneSpec,
    kept: Kept,
    limits: KVLimits,
    device: torch.device,
    free_bytes: int,
    host: HostRoom | None = None,
) -> TierSizes:
    """Share out the latent frames of a rollout among the memory tiers.

    Args:
        spec: the backbone.
        kept: see `most_kept`.
        limits: the user's.
        device: where the rollout runs.
        free_bytes: memory of the device once the models are loaded.
        host: by default what there is now.

    Raises:
        LongtakeError: see `tier_sizes`.
    """
    return tier_sizes(
        limits,
        spec.kv_bytes_per_latent,
        kept.latents,
        spare_slabs(spec, kept.slots),
        device,
        free_bytes - spec.context_bytes - spec.scratch_bytes,
        slot_bytes(spec, kept.slots),
        host,
    )


def tier_sizes(
    limits: KVLimits,
    slab_bytes: int,
    num_slabs: int,
    spare: int,
    device: torch.device,
    free_bytes: int,
    taken_bytes: int = 0,
    host: HostRoom | None = None,
) -> TierSizes:
    """Share out the slabs of a rollout.

    Args:
        limits: the user's.
        slab_bytes: keys and values of one latent frame.
        num_slabs: most frames that must be kept at once.
        spare: slabs to keep ready on the device, those of a whole context and of a block.
        device: where the rollout runs.
        free_bytes: memory of the device that may be used.
        taken_bytes: what virtual frames take of the device, within the same limit.
        host: by default what there is now.

    Raises:
        ConfigError: a setting leaves too little; the message says how much is needed.
        DeviceError: memory or disk is too small; the message says what would lower the need.
    """
    on_gpu = device.type == "cuda"
    free_bytes = max(0, free_bytes)
    host = host or HostRoom.now()
    host_gib = _host_gib(limits, on_gpu, free_bytes, host)
    device_gib, device_setting = host_gib, "kv.host_gib"
    if on_gpu:
        asked, device_setting = limits.device_gib, "kv.device_gib"
        device_gib = _SHARE_OF_DEVICE * free_bytes / GIB if asked is None else asked
        if device_gib * GIB > free_bytes:
            raise DeviceError(
                f"kv.device_gib is {_gib(device_gib * GIB)}, but {device} has {_gib(free_bytes)} "
                "free for keys and values. Lower kv.device_gib."
            )
    on_device = math.floor((device_gib * GIB - taken_bytes) / slab_bytes)
    if on_device < spare:
        needed = _gib(spare * slab_bytes + taken_bytes)
        raise ConfigError(
            f"A context of {spare} latent frames needs {needed} of keys and values; "
            f"{device_setting} leaves {_gib(device_gib * GIB)}. Raise it, or lower "
            "backbone.budget_latents."
        )
    # Where all frames fit on the device, none need be kept ready.
    on_device, below = (
        (num_slabs, 0) if on_device >= num_slabs else (on_device, num_slabs + spare - on_device)
    )
    on_host, spilled = _below(below, math.floor(host_gib * GIB / slab_bytes), spare, on_gpu)
    if on_gpu and spilled and on_host < _LEAST_PINNED - STAGING:
        raise ConfigError(
            f"{below} latent frames don't fit on {device}, and the scratch file is written and "
            f"read through {_LEAST_PINNED} of them in pinned host memory, "
            f"{_gib(_LEAST_PINNED * slab_bytes)}; kv.host_gib leaves {_gib(host_gib * GIB)}. Raise "
            "it, or lower the duration."
        )
    sizes = TierSizes(on_device, on_host, spilled, Path(limits.spill_dir or tempfile.gettempdir()))
    host_bytes = sizes.pinned * slab_bytes if on_gpu else on_device * slab_bytes + taken_bytes
    if host_bytes > host.available_bytes:
        raise DeviceError(
            f"Keys and values would take {_gib(host_bytes)} of host memory; "
            f"{_gib(host.available_bytes)} is available. Lower kv.host_gib (the rest goes to a "
            "scratch file in kv.spill_dir) or the duration."
        )
    if spilled:
        _require_disk(sizes.spill_dir, spilled, slab_bytes, host.rollouts)
    return sizes


def _require_disk(folder: Path, spilled: int, slab_bytes: int, rollouts: int) -> None:
    """Refuse a folder that has no room for the slabs of rollouts in step."""
    if not folder.is_dir():
        raise ConfigError(f"kv.spill_dir={str(folder)!r} is not a folder.")
    free_disk = shutil.disk_usage(folder).free // rollouts
    if spilled * slab_bytes > free_disk:
        raise DeviceError(
            f"Keys and values of {spilled} latent frames, {_gib(spilled * slab_bytes)}, would go "
            f"to a scratch file in {folder}, which has {_gib(free_disk)} free. Set kv.spill_dir to "
            "a larger disk, raise kv.host_gib, or lower the duration."
        )


def _host_gib(limits: KVLimits, on_gpu: bool, free_bytes: int, host: HostRoom) -> float:
    """Return the limit for host memory: the user's, else a share of what is available."""
    if limits.host_gib is not None:
        return limits.host_gib
    share = host.share_bytes
    return _SHARE_OF_HOST * (share if on_gpu else min(free_bytes, share)) / GIB


def _below(below: int, pinned: int, spare: int, on_gpu: bool) -> tuple[int, int]:
    """Share out the frames that the device cannot hold; return slabs on the host and in the file.

    Args:
        below: how many there are.
        pinned: slabs that host memory may hold.
        spare: slabs of the device to keep ready.
        on_gpu: whether there is a host tier.
    """
    if not on_gpu:
        return 0, below
    if below <= pinned:
        return below, 0
    on_host = max(0, pinned - STAGING)
    return on_host, below - on_host + host_spare(spare, on_host)


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / GIB:.1f} GiB"
