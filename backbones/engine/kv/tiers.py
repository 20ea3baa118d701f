"""Slabs of latent frames in memory tiers: the device, pinned host memory, a scratch file.

A slab is written once, so its copy in a slower tier stays valid; `replace` gives a frame another
slab and forgets the copies. Moving a frame up is therefore a copy, and making room on the device
means forgetting a slab that has a copy below. Frames are copied down before room is needed, the
least recently planned ones first.

For every block the rollout calls, in this order: `bring_up` with the frames of the next plan while
the clean pass runs, `put` for the new frames, `copy_down_ahead`, and in the next block `arrive`,
`slab` and `done_reading`. The lanes wait for each other by relying on that order.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from backbones.engine.kv import pinned
from backbones.engine.lanes import Lane, Moment
from harness.core.errors import PlanError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TierSizes:
    """Slabs that each tier may hold.

    Attributes:
        device: slabs on the device of the rollout.
        host: slabs in pinned host memory; 0 where the device is the processor.
        spilled: slabs in the scratch file.
        spill_dir: its folder.
    """

    device: int
    host: int
    spilled: int
    spill_dir: Path


class FrameTiers:
    """The slabs of one rollout by latent frame.

    Args:
        slab_shape: shape of one slab.
        dtype: its number format.
        device: where slabs are made and read.
        sizes: slabs of each tier; together they must hold all frames that are not dropped.
        spare: slabs of the device tier to keep ready, at least those of a context and a block.
    """

    def __init__(
        self,
        slab_shape: tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device,
        sizes: TierSizes,
        spare: int,
    ) -> None:
        self._device = device
        self._spare = spare
        self._pinned: list[Tensor] = []
        num_bytes = torch.Size(slab_shape).numel() * dtype.itemsize

        def on_device() -> Tensor:
            return torch.empty(slab_shape, dtype=dtype, device=device)

        def on_host() -> Tensor:
            self._pinned.append(pinned.take(num_bytes))
            return self._pinned[-1].view(dtype).view(slab_shape)

        self._device_tier = _Tier(sizes.device, on_device)
        self._host_tier = _Tier(sizes.host, on_host)
        self._spill_tier = _Tier(
            sizes.spilled, _ScratchFile(slab_shape, dtype, sizes.spill_dir).allocate
        )
        self._lower = (self._host_tier, self._spill_tier)
        self._down, self._up = Lane(device, "down"), Lane(device, "up")
        self._read = Moment(device)
        self._up_began = self._up_ended = self._read

    def bring_up(self, frames: Collection[int]) -> None:
        """Start copying frames to the device that are not there; `arrive` waits for the copies.

        Frames that will be `put` later may be among them.
        """
        tiers = (self._device_tier, *self._lower)
        # Touched first, so that no frame of this plan counts as the least recently planned one.
        for frame in frames:
            for tier in tiers:
                tier.touch(frame)
        # A slab that is overwritten here may still be read by the gather of this block (so the lane
        # starts after its last read) or by a copy down queued a block ago (so it joins that lane).
        with self._up.entered(after=self._read):
            self._down.join()
            self._up_began = Moment(self._device)
            for frame in dict.fromkeys(frames):  # a plan may name a frame twice
                sources = [tier.slabs[frame] for tier in tiers if frame in tier.slabs]
                if sources and frame not in self._device_tier.slabs:
                    slab = self._free_slab(keep=frames)
                    slab.copy_(sources[0], non_blocking=True)
                    self._device_tier.slabs[frame] = slab
            self._up_ended = Moment(self._device)

    def put(self, frame: int, kv: Tensor) -> None:
        """Keep a new frame."""
        self._down.join()  # its slab may be the source of a copy down
        slab = self._free_slab()
        slab.copy_(kv)
        self._device_tier.slabs[frame] = slab

    def holds(self, frame: int) -> bool:
        """Tell if a frame was put and not dropped since."""
        return frame in self._device_tier.slabs or self._is_below(frame)

    def replace(self, frame: int, kv: Tensor) -> None:
        """Put other keys and values in place of a frame's, whose copies in other tiers are void."""
        for tier in (self._device_tier, *self._lower):
            if frame in tier.slabs:
                tier.drop([frame])
        self.put(frame, kv)

    def copy_down_ahead(self) -> None:
        """Start copying the least recently planned frames down, so that room is ready in time."""
        device = self._device_tier
        # A slab can be reused at once if it is unused or has a copy below. As many more as `spare`
        # lacks are given a copy now.
        dirty = [frame for frame in device.slabs if not self._is_below(frame)]
        lacking = self._spare - device.num_free - (len(device.slabs) - len(dirty))
        if lacking > 0:
            self._make_room_on_host(min(lacking, len(dirty)))
            with self._down.entered():
                for frame in dirty[:lacking]:
                    self._copy_down(frame)

    def arrive(self) -> None:
        """Make the main stream wait for the frames that were brought up."""
        self._up.join()

    def slab(self, frame: int) -> Tensor:
        """Return the slab of a frame that was brought up or put.

        Raises:
            PlanError: it was dropped.
        """
        if frame not in self._device_tier.slabs:
            raise PlanError(
                f"The plan names latent frame {frame}, which was dropped because the strategy's "
                "`reach` left it out in an earlier block."
            )
        return self._device_tier.slabs[frame]

    def done_reading(self) -> None:
        """Note that the main stream has queued its last read of slabs for this block."""
        self._read = Moment(self._device)

    def fetch_span(self) -> tuple[Moment, Moment]:
        """Return the start and end of the latest copies to the device."""
        return self._up_began, self._up_ended

    def drop_all_but(self, frames: Iterable[int]) -> None:
        """Forget all other frames in all tiers."""
        kept = set(frames)
        for tier in (self._device_tier, *self._lower):
            tier.drop([frame for frame in tier.slabs if frame not in kept])

    def close(self) -> None:
        """Give pinned memory back to the pool; call it after the last block."""
        for lane in (self._down, self._up):
            lane.wait()
        pinned.give_back(self._pinned)
        self._pinned = []

    @property
    def num_allocated(self) -> tuple[int, int, int]:
        """Return the slabs allocated so far on the device, on the host, and in the scratch file."""
        tiers = (self._device_tier, self._host_tier, self._spill_tier)
        device, host, spilled = (tier.num_allocated for tier in tiers)
        return device, host, spilled

    def _is_below(self, frame: int) -> bool:
        return any(frame in tier.slabs for tier in self._lower)

    def _free_slab(self, keep: Collection[int] = ()) -> Tensor:
        """Return a slab of the device tier to write to.

        Args:
            keep: frames whose slabs must stay.
        """
        device = self._device_tier
        slab = device.take()
        if slab is None:
            # `copy_down_ahead` of the block before made sure that there is one with a copy below.
            victims = (f for f in device.slabs if f not in keep and self._is_below(f))
            slab = device.slabs.pop(next(victims))
        return slab

    def _make_room_on_host(self, num_slabs: int) -> None:
        """Move the host copies of the least recently planned frames on into the file."""
        host = self._host_tier
        lacking = min(num_slabs - host.num_free, len(host.slabs))
        if lacking > 0:
            # The host itself copies into the file, so it must wait: until these copies have arrived
            # from the device (those of this block are not queued yet) and until no copy reads them.
            self._down.wait()
            self._up.wait()
            for frame in list(host.slabs)[:lacking]:
                self._spill(frame, host.slabs[frame])
            host.drop(list(host.slabs)[:lacking])

    def _copy_down(self, frame: int) -> None:
        source = self._device_tier.slabs[frame]
        target = self._host_tier.take()
        if target is None:
            self._spill(frame, source)
        else:
            target.copy_(source, non_blocking=True)
            self._host_tier.slabs[frame] = target

    def _spill(self, frame: int, source: Tensor) -> None:
        target = self._spill_tier.take()
        assert target is not None, "the tiers hold every frame that may be planned"
        target.copy_(source)
        self._spill_tier.slabs[frame] = target


class _Tier:
    """Slabs by frame, the least recently planned frame first."""

    def __init__(self, capacity: int, allocate: Callable[[], Tensor]) -> None:
        self.slabs: dict[int, Tensor] = {}
        self.num_allocated = 0
        self._capacity = capacity
        self._allocate = allocate
        self._free: list[Tensor] = []

    @property
    def num_free(self) -> int:
        return self._capacity - len(self.slabs)

    def take(self) -> Tensor | None:
        """Return an unused slab; None if all are used."""
        if self._free:
            return self._free.pop()
        if self.num_allocated == self._capacity:
            return None
        self.num_allocated += 1
        return self._allocate()

    def touch(self, frame: int) -> None:
        if frame in self.slabs:
            # A dict keeps the order of insertion: the frame becomes the most recently planned one.
            self.slabs[frame] = self.slabs.pop(frame)

    def drop(self, frames: Iterable[int]) -> None:
        self._free += [self.slabs.pop(frame) for frame in frames]


class _ScratchFile:
    """A file without a name that slabs are mapped from; it disappears with the process."""

    def __init__(self, slab_shape: tuple[int, ...], dtype: torch.dtype, folder: Path) -> None:
        self._shape, self._dtype, self._folder = slab_shape, dtype, folder
        num_bytes = torch.Size(slab_shape).numel() * dtype.itemsize
        self._stride = -(-num_bytes // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        self._num_slabs = 0

    def allocate(self) -> Tensor:
        if self._num_slabs == 0:
            self._file = tempfile.TemporaryFile(  # noqa: SIM115 - open as long as it is mapped
                dir=self._folder, prefix="longtake-kv-"
            )
        offset = self._num_slabs * self._stride
        self._num_slabs += 1
        self._file.truncate(self._num_slabs * self._stride)
        mapped = mmap.mmap(self._file.fileno(), self._stride, offset=offset)
        num_elements = torch.Size(self._shape).numel()
        return torch.frombuffer(mapped, dtype=self._dtype, count=num_elements).view(self._shape)
