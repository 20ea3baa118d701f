from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbones.engine.kv import pinned
from backbones.engine.kv.tiers import FrameTiers, TierSizes
from harness.core.errors import LongtakeError

CPU = torch.device("cpu")
SHAPE = (2, 2, 1, 4, 4)
BLOCK, CONTEXT = 3, 9
SPARE = BLOCK + CONTEXT


def slab(frame: int) -> torch.Tensor:
    return torch.full(SHAPE, float(frame))


def tiers(device: int, spilled: int, folder: Path, host: int = 0) -> FrameTiers:
    return FrameTiers(SHAPE, torch.float32, CPU, TierSizes(device, host, spilled, folder), SPARE)


@pytest.fixture
def unpinned(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Without a GPU nothing can be pinned: the middle tier takes ordinary memory."""
    given_back: list[torch.Tensor] = []
    monkeypatch.setattr(pinned, "take", lambda size: torch.empty(size, dtype=torch.uint8))
    monkeypatch.setattr(pinned, "give_back", given_back.extend)
    return given_back


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
@given(data=st.data(), device=st.integers(SPARE, SPARE + 8), host=st.integers(0, 20))
def test_every_planned_frame_is_returned_unchanged(
    unpinned: list[torch.Tensor], tmp_path: Path, data: st.DataObject, device: int, host: int
) -> None:
    """The tiers together hold no more than `tier_sizes` allows."""
    num_frames = 12 * BLOCK
    below = num_frames + SPARE - device
    host = min(host, below)
    store = tiers(device, below - host, tmp_path, host)
    for first_frame in range(0, num_frames, BLOCK):
        made = st.integers(0, first_frame + BLOCK - 1)
        plan = data.draw(st.lists(made, max_size=CONTEXT), label=f"plan after {first_frame}")
        make_block(store, first_frame, plan)
    allocated_device, allocated_host, allocated_file = store.num_allocated
    assert allocated_device <= device
    assert allocated_host <= host
    assert allocated_file <= below - host
    unpinned.clear()
    store.close()
    assert len(unpinned) == allocated_host


def test_nothing_is_copied_while_the_device_has_room(tmp_path: Path) -> None:
    store = tiers(30 + SPARE, 0, tmp_path)
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
    store = tiers(2 * SPARE, 0, tmp_path)
    for first_frame in range(0, 300, BLOCK):
        kept = list(range(max(0, first_frame - 6), first_frame))
        store.drop_all_but(kept)
        make_block(store, first_frame, kept)
    assert store.num_allocated[0] <= 2 * SPARE


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
