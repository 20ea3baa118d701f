"""Slabs of latent frames in memory tiers: the device, pinned host memory, a scratch file.

A slab is written once, so its copy in a slower tier stays valid; `replace` gives a frame another
slab and forgets the copies. Moving a frame up is therefore a copy, and making room on the device
means forgetting a slab that has a copy below; in host memory, one that has a copy in the file.
Frames are copied down before room is needed, the least recently planned ones first.

For every block the rollout calls, in this order: `bring_up` with the frames of the next plan while
the clean pass runs, `put` for the new frames, `copy_down_ahead`, and in the next block `arrive`,
`slab` and `done_reading`. The lanes wait for each other by relying on that order.

A thread writes and reads the file, its jobs in the order in which they are given. On a GPU it
writes from the pinned slabs of the host tier, and reads into two more, from which it queues the
copy to the device. The host waits for the thread in two places: in `arrive` for frames that came
from the file, and before a slab is used again whose copy is still being written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

from backbones.engine.kv.pinned import POOL
from backbones.engine.kv.scratch import FileThread, Job, ScratchFile
from backbones.engine.lanes import Lane, Moment
from harness.core.errors import PlanError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
# Pinned slabs through which a GPU's frames return from the file.
STAGING = 2


@dataclass(frozen=True)
class TierSizes:
    """Slabs that each tier may hold.

    Attributes:
        device: slabs on the device of the rollout.
        host: slabs in pinned host memory, `STAGING` not counted; 0 where the device is the
            CPU.
        spilled: slabs in the scratch file.
        spill_dir: its folder.
    """

    device: int
    host: int
    spilled: int
    spill_dir: Path

    @property
    def pinned(self) -> int:
        """Return all slabs of pinned host memory."""
        return self.host + (STAGING if self.host and self.spilled else 0)


@dataclass(eq=False)
class _Slab:
    """A piece of memory for one frame, and who may still be using it.

    Attributes:
        tensor: the memory.
        busy_until: when the latest copy to it or from it on a lane is done, where that matters to
            the thread of the file.
        job: the latest job of that thread that uses it.
    """

    tensor: Tensor
    busy_until: Moment | None = None
    job: Job | None = None

    def wait(self) -> None:
        """Block the host until the thread is done with it."""
        if self.job is not None:
            self.job.wait()
            self.job = None


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

        def on_device() -> _Slab:
            return _Slab(torch.empty(slab_shape, dtype=dtype, device=device))

        def on_host() -> _Slab:
            self._pinned.append(POOL.take(num_bytes))
            return _Slab(self._pinned[-1].view(dtype).view(slab_shape))

        self._on_host = on_host
        self._device_tier = _Tier(sizes.device, on_device)
        self._device_tier.allocate_all()  # in mid-rollout, that would make a GPU wait
        POOL.take_ahead(num_bytes, sizes.pinned)
        self._host_tier = _Tier(sizes.host, on_host)
        self._file_tier = _Tier(sizes.spilled, count().__next__)
        self._lower: tuple[_Tier[Any], ...] = (self._host_tier, self._file_tier)
        self._file, self._thread = ScratchFile(num_bytes, sizes.spill_dir), FileThread()
        self._staging: list[_Slab] = []
        self._arriving: list[Job] = []
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
                if frame in self._device_tier.slabs or not self._is_below(frame):
                    continue
                slab = self._free_slab(keep=frames)
                if frame in self._host_tier.slabs:
                    source = self._host_tier.slabs[frame].tensor
                    slab.tensor.copy_(source, non_blocking=True)
                else:
                    self._start_reading(frame, slab)
                self._device_tier.slabs[frame] = slab
            self._up_ended = Moment(self._device)

    def put(self, frame: int, kv: Tensor) -> None:
        """Keep a new frame."""
        self._down.join()  # its slab may be the source of a copy down
        slab = self._free_slab()
        slab.tensor.copy_(kv)
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
        if not any(tier.capacity for tier in self._lower):
            return  # the device holds all
        # A slab can be reused at once if it is unused or has a copy below. As many more as `spare`
        # lacks are given a copy now.
        dirty = [frame for frame in device.slabs if not self._is_below(frame)]
        lacking = self._spare - device.num_free - (len(device.slabs) - len(dirty))
        dirty = dirty[: max(0, lacking)]
        if self._host_tier.capacity == 0:
            for frame in dirty:
                self._start_writing(frame, device.slabs[frame])
        elif dirty:
            with self._down.entered():
                self._up.join()  # a host slab that is overwritten here may still be copied up
                for frame in dirty:
                    self._copy_down(frame)
            self._write_ahead()

    def arrive(self) -> None:
        """Make the main stream wait for the frames that were brought up."""
        if self._arriving:
            for job in self._arriving:
                job.wait()
            self._arriving = []
            with self._up.entered(after=self._read):
                self._up_ended = Moment(self._device)
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
        return self._device_tier.slabs[frame].tensor

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
        self._thread.close()
        self._file.close()
        for lane in (self._down, self._up):
            lane.wait()
        POOL.give_back(self._pinned)
        self._pinned = []

    @property
    def num_allocated(self) -> tuple[int, int, int]:
        """Return the slabs allocated on the device, on the host, and so far in the file."""
        host = self._host_tier.num_allocated + len(self._staging)
        return self._device_tier.num_allocated, host, self._file_tier.num_allocated

    def _is_below(self, frame: int) -> bool:
        return any(frame in tier.slabs for tier in self._lower)

    def _free_slab(self, keep: Collection[int] = ()) -> _Slab:
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
        slab.wait()
        return slab

    def _copy_down(self, frame: int) -> None:
        """Start copying a frame to the host."""
        slab = self._free_host_slab()
        slab.tensor.copy_(self._device_tier.slabs[frame].tensor, non_blocking=True)
        slab.busy_until = Moment(self._device)
        self._host_tier.slabs[frame] = slab

    def _free_host_slab(self) -> _Slab:
        """Return a slab of the host tier to write to, if need be after its frame was written."""
        host, file = self._host_tier, self._file_tier
        slab = host.take()
        if slab is None:
            if not any(frame in file.slabs for frame in host.slabs):
                frame, slab = next(iter(host.slabs.items()))
                self._start_writing(frame, slab)
            slab = host.slabs.pop(next(frame for frame in host.slabs if frame in file.slabs))
        slab.wait()
        return slab

    def _write_ahead(self) -> None:
        """Start writing host frames to the file, so that their slabs can be used again in time."""
        host, file = self._host_tier, self._file_tier
        dirty = [frame for frame in host.slabs if frame not in file.slabs]
        wanted = host_spare(self._spare, host.capacity) if file.capacity else 0
        lacking = wanted - host.num_free - (len(host.slabs) - len(dirty))
        for frame in dirty[: max(0, lacking)]:
            self._start_writing(frame, host.slabs[frame])

    def _start_writing(self, frame: int, slab: _Slab) -> None:
        """Let the thread write a frame to the file from its slab in host memory."""
        number = self._file_tier.take()
        assert number is not None, "the tiers hold every frame that may be planned"
        filled = slab.busy_until

        def write() -> None:
            if filled is not None:
                filled.wait()
            self._file.write(number, slab.tensor)

        slab.job = self._thread.start(write)
        self._file_tier.slabs[frame] = number

    def _start_reading(self, frame: int, slab: _Slab) -> None:
        """Let the thread fill a slab of the device from the file."""
        number, after = self._file_tier.slabs[frame], self._read
        staging = self._next_staging() if self._host_tier.capacity else None

        def read() -> None:
            if staging is None:
                self._file.read(number, slab.tensor)
                return
            if staging.busy_until is not None:
                staging.busy_until.wait()
            self._file.read(number, staging.tensor)
            with self._up.entered(after=after):
                slab.tensor.copy_(staging.tensor, non_blocking=True)
                staging.busy_until = Moment(self._device)

        slab.job = self._thread.start(read)
        self._arriving.append(slab.job)

    def _next_staging(self) -> _Slab:
        if not self._staging:
            self._staging = [self._on_host() for _ in range(STAGING)]
        self._staging.append(self._staging.pop(0))
        return self._staging[-1]


def host_spare(spare: int, host: int) -> int:
    """Return the slabs of the host tier to keep free, or written to the file.

    Args:
        spare: slabs of the device tier to keep ready.
        host: slabs of the host tier.
    """
    return min(spare, host)


class _Tier(Generic[T]):
    """Slabs by frame, or their numbers in the file; the least recently planned frame first.

    Args:
        capacity: most slabs.
        allocate: makes one.
    """

    def __init__(self, capacity: int, allocate: Callable[[], T]) -> None:
        self.slabs: dict[int, T] = {}
        self.num_allocated = 0
        self.capacity = capacity
        self._allocate = allocate
        self._free: list[T] = []

    @property
    def num_free(self) -> int:
        return self.capacity - len(self.slabs)

    def allocate_all(self) -> None:
        """Allocate all slabs at once."""
        while self.num_allocated < self.capacity:
            self._free.append(self._allocate())
            self.num_allocated += 1

    def take(self) -> T | None:
        """Return an unused slab; None if all are used."""
        if self._free:
            return self._free.pop()
        if self.num_allocated == self.capacity:
            return None
        self.num_allocated += 1
        return self._allocate()

    def touch(self, frame: int) -> None:
        if frame in self.slabs:
            # A dict keeps the order of insertion: the frame becomes the most recently planned one.
            self.slabs[frame] = self.slabs.pop(frame)

    def drop(self, frames: Iterable[int]) -> None:
        self._free += [self.slabs.pop(frame) for frame in frames]
