from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event, current_thread

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbones.engine.kv import pinned
from backbones.engine.kv.pinned import POOL
from backbones.engine.kv.scratch import Job
from backbones.engine.kv.tiers import STAGING, FrameTiers, TierSizes, host_spare
from harness.core.disk import disk_error
from harness.core.errors import DeviceError, LongtakeError

CPU = torch.device("cpu")
SHAPE = (2, 2, 1, 4, 4)
BLOCK, CONTEXT = 3, 9
SPARE = BLOCK + CONTEXT


def slab(frame: int) -> torch.Tensor:
    return torch.full(SHAPE, float(frame))


def tiers(device: int, spilled: int, folder: Path, host: int = 0) -> FrameTiers:
    return FrameTiers(SHAPE, torch.float32, CPU, TierSizes(device, host, spilled, folder), SPARE)


def make_block(store: FrameTiers, first_frame: int, next_frames: list[int]) -> None:
    """The calls of one block, in the engine's order."""
    store.bring_up(next_frames)
    for frame in range(first_frame, first_frame + BLOCK):
        store.put(frame, slab(frame))
    store.copy_down_ahead()
    store.arrive()
    for frame in next_frames:
        assert torch.equal(store.slab(frame), slab(frame)), frame
    store.done_reading()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.data(),
    device=st.integers(SPARE, SPARE + 8),
    host=st.integers(0, 20),
    slow=st.integers(0, 3),
)
def test_every_planned_frame_is_returned_unchanged(
    tmp_path: Path, data: st.DataObject, device: int, host: int, slow: int
) -> None:
    """The tiers together hold no more than `tier_sizes` allows, however late the thread is."""
    num_frames = 12 * BLOCK
    below = num_frames + SPARE - device
    host = min(host, below)
    in_file = below - host + host_spare(SPARE, host) if below > host else 0
    store = tiers(device, in_file, tmp_path, host)
    late_once_in(store, slow)
    for first_frame in range(0, num_frames, BLOCK):
        made = st.integers(0, first_frame + BLOCK - 1)
        plan = data.draw(st.lists(made, max_size=CONTEXT), label=f"plan after {first_frame}")
        make_block(store, first_frame, plan)
    allocated_device, allocated_host, allocated_file = store.num_allocated
    assert allocated_device == device
    assert allocated_host <= host + STAGING * (in_file > 0)
    assert allocated_file <= in_file
    idle = POOL.idle_bytes
    store.close()
    assert POOL.idle_bytes - idle == allocated_host * slab(0).nbytes


def late_once_in(store: FrameTiers, jobs: int) -> None:
    """Let every few jobs of the file's thread come late; 0 for none."""
    start, number = store._thread.start, count(1)

    def start_late(work: Callable[[], None]) -> Job:
        pause_s = 2e-3 if jobs and next(number) % jobs == 0 else 0

        def late() -> None:
            time.sleep(pause_s)
            work()

        return start(late)

    store._thread.start = start_late  # type: ignore[method-assign]


def test_nothing_is_copied_while_the_device_has_room(tmp_path: Path) -> None:
    store = tiers(30, 0, tmp_path)
    for first_frame in range(0, 30, BLOCK):
        make_block(store, first_frame, list(range(first_frame + BLOCK))[-CONTEXT:])
    assert store.num_allocated == (30, 0, 0)


def test_a_frame_on_the_device_is_not_copied_again(tmp_path: Path) -> None:
    store = tiers(60, 0, tmp_path)
    make_block(store, 0, [0, 1, 2])
    before = store.slab(0).data_ptr()
    make_block(store, 3, [0, 1, 2, 3])
    assert store.slab(0).data_ptr() == before


def test_dropped_frames_release_their_memory(tmp_path: Path) -> None:
    store = tiers(2 * SPARE, 0, tmp_path)  # nothing below: no slab but those of dropped frames
    for first_frame in range(0, 300, BLOCK):
        kept = list(range(max(0, first_frame - 6), first_frame))
        store.drop_all_but(kept)
        make_block(store, first_frame, kept)


def test_a_dropped_frame_is_an_error_that_names_it(tmp_path: Path) -> None:
    store = tiers(SPARE, 3, tmp_path)
    make_block(store, 0, [])
    store.drop_all_but([1, 2])
    store.bring_up([0])
    with pytest.raises(LongtakeError, match="latent frame 0, which was dropped"):
        store.slab(0)


def test_the_scratch_file_has_no_name_and_leaves_nothing(tmp_path: Path) -> None:
    store = tiers(SPARE, 60, tmp_path)
    for first_frame in range(0, 60, BLOCK):
        make_block(store, first_frame, [0])
    assert store.num_allocated[2] > 0
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error_that_names_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    store = tiers(SPARE, 60, tmp_path)
    with pytest.raises(OSError, match="No space left") as raised:
        for first_frame in range(0, 60, BLOCK):
            make_block(store, first_frame, [0])
    store.close()
    assert str(disk_error(raised.value)).startswith(f"No space is left on the disk: {tmp_path}")


def test_waits_for_the_thread_only_where_it_lags_behind(tmp_path: Path) -> None:
    """While the thread stands still, blocks that need nothing of the file go on."""
    store = tiers(2 * SPARE, 60, tmp_path)
    goes_on = Event()
    store._thread.start(lambda: goes_on.wait() and None)
    for first_frame in range(0, 3 * SPARE // 2, BLOCK):
        make_block(store, first_frame, [first_frame])
    assert store.num_allocated[2] > 0
    goes_on.set()
    make_block(store, 3 * SPARE // 2, [0])
    store.close()


def test_pinned_buffers_are_taken_ahead_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, by = pinned.PinnedPool(), []
    make = pinned._pinned

    def noting(num_bytes: int) -> torch.Tensor:
        by.append(current_thread().name)
        return make(num_bytes)

    monkeypatch.setattr(pinned, "_pinned", noting)
    pool.take_ahead(4096, 3)
    taken = [pool.take(4096) for _ in range(4)]
    assert by == ["pinning"] * 3 + ["MainThread"]
    pool.give_back(taken)
    pool.take_ahead(4096, 3)
    assert pool.idle_bytes == 4 * 4096 and len(by) == 4
    assert pool.take(8192).numel() == 8192
    assert pool.idle_bytes == 0, "buffers of another size are released"


def test_another_size_is_taken_while_the_thread_still_takes_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, begun, goes_on = pinned.PinnedPool(), Event(), Event()
    make = pinned._pinned

    def slow(num_bytes: int) -> torch.Tensor:
        if current_thread().name == "pinning":
            begun.set()
            assert goes_on.wait(30)
        return make(num_bytes)

    monkeypatch.setattr(pinned, "_pinned", slow)
    pool.take_ahead(4096, 3)
    assert begun.wait(30)
    with ThreadPoolExecutor(1) as other:
        taken = other.submit(pool.take, 8192)
        while pool._coming:  # until it no longer wants what the thread takes
            time.sleep(0.001)
        goes_on.set()
        assert taken.result(30).numel() == 8192
    assert pool.idle_bytes == 0


def test_a_refused_buffer_says_which_setting_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pinned.PinnedPool()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    pool.take_ahead(4096, 3)
    with pytest.raises(DeviceError, match=r"refuses to pin .*; lower kv\.host_gib"):
        pool.take(4096)
