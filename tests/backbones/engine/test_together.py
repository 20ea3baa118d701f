"""Several videos made at once have the bits of each made alone."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from backbones.engine.backbone import Backbone
from backbones.engine.block import Block
from backbones.engine.kv.store import KVStore
from backbones.engine.noise import SeededNoise
from backbones.engine.protocol import BlockPass
from backbones.engine.rollout import Rollout
from backbones.engine.runtime import KVLimits
from backbones.engine.together import Place, Steps, finish, in_step, places, without_gradients
from backbones.engine.videos import all_blocks
from backbones.wan.transformer import CausalWanTransformer
from methods.base import ContextPlan, MemoryStrategy
from methods.published.memflow import MemFlow
from methods.rag import Rag
from methods.sliding_window import SlidingWindow
from tests.small import small_backbone

PROMPTS = ("dusk grassy four walking", "noon snowy three walking", "dusk snowy four walking")


@pytest.fixture(scope="module")
def quick() -> Backbone:
    return small_backbone(1000, 500)


def start(
    backbone: Backbone,
    strategy: MemoryStrategy,
    index: int,
    num_latents: int,
    place: Place | None = None,
) -> Rollout:
    prompt = PROMPTS[index]
    noise = SeededNoise(index, prompt)
    return Rollout(backbone, strategy, prompt, noise, num_latents, index, place=place)


def made_from(rollout: Rollout, made: Tensor) -> Steps[list[Block]]:
    rollout.begin(made)
    return (yield from blocks_left(rollout))


def blocks_left(rollout: Rollout) -> Steps[list[Block]]:
    blocks: list[Block] = []
    with closing(rollout.store):
        while block := (yield from rollout.next_block()):
            blocks.append(block)
    return blocks


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that receives the number of videos of each call of self-attention."""
    calls: list[int] = []
    attention = F.scaled_dot_product_attention

    def counting(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        calls.append(len(q))
        return attention(q, k, v)

    monkeypatch.setattr(F, "scaled_dot_product_attention", counting)
    return calls


def assert_same(found: Sequence[Block], expected: Sequence[Block]) -> None:
    assert [block.plan for block in found] == [block.plan for block in expected]
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.latents, other.latents)


@pytest.mark.parametrize("batch", [2, 3])
def test_videos_made_at_once_have_the_bits_of_each_alone(
    quick: Backbone, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [finish(all_blocks(start(quick, Rag(), i, 36))) for i in range(batch)]
    frames = [[block.plan.frames for block in blocks] for blocks in alone]
    assert frames[0] != frames[1], "they retrieve different frames"
    work = [
        all_blocks(start(quick, Rag(), i, 36, place))
        for i, place in enumerate(places(quick, KVLimits(), batch))
    ]
    calls = count_calls(monkeypatch)
    for found, expected in zip(in_step(work), alone, strict=True):
        assert_same(found, expected)
    # Every pass of every layer: one call for all videos, then one for the prompt of each.
    assert calls.count(batch) == 12 * 3 * 2 and calls.count(1) == batch * calls.count(batch)


def test_videos_of_other_lengths_methods_and_beginnings_run_beside_each_other(
    quick: Backbone,
) -> None:
    kinds = (Rag, SlidingWindow, MemFlow)  # the last one records its passes, which go alone
    lengths = (36, 24, 18)
    alone = [
        finish(all_blocks(start(quick, kind(), i, length)))
        for i, (kind, length) in enumerate(zip(kinds, lengths, strict=True))
    ]
    made = torch.cat([block.latents for block in alone[0]])[:15]  # the first one is resumed
    rollouts = [
        start(quick, kind(), i, length, place)
        for i, (kind, length, place) in enumerate(
            zip(kinds, lengths, places(quick, KVLimits(), 3), strict=True)
        )
    ]
    work = [made_from(rollouts[0], made), *map(all_blocks, rollouts[1:])]
    for found, expected in zip(in_step(work), alone, strict=True):
        assert_same(found, expected)


def test_limits_of_memory_are_those_of_all_videos_together(quick: Backbone) -> None:
    slab_gib = quick.spec.kv_bytes_per_latent / 2**30
    limits = KVLimits(host_gib=2 * 14 * slab_gib)
    alone = finish(all_blocks(start(quick, Rag(), 0, 36)))
    rollouts = [start(quick, Rag(), 0, 36, place) for place in places(quick, limits, 2)]
    for found in in_step([all_blocks(rollout) for rollout in rollouts]):
        assert_same(found, alone)
    for rollout in rollouts:
        mib = rollout.store.allocated_mib()
        assert mib["device"] <= 14 * slab_gib * 1024 and mib["spilled"] > 0


def reason(rollout: Rollout, kind: type[BaseException]) -> Steps[str]:
    with closing(rollout.store):
        rollout.begin()
        try:
            yield from rollout.next_block()
        except kind as error:
            return str(error)
    return "none"


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_what_fails_together_is_computed_alone_and_fails_only_what_asked_for_it(
    quick: Backbone, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    whole = CausalWanTransformer.passes_together
    broken = start(quick, SlidingWindow(), 0, 6)
    calls: list[int] = []

    def failing(model: CausalWanTransformer, passes: Sequence[BlockPass]) -> list[Tensor]:
        calls.append(len(passes))
        if any(one.text is broken._text for one in passes):
            raise kind("broken")
        return whole(model, passes)

    alone = finish(all_blocks(start(quick, SlidingWindow(), 1, 6)))
    monkeypatch.setattr(CausalWanTransformer, "passes_together", failing)
    work: list[Steps[Any]] = [
        reason(broken, kind),
        all_blocks(start(quick, SlidingWindow(), 1, 6)),
    ]
    why, blocks = in_step(work)
    assert why == "broken" and calls[:3] == [2, 1, 1]
    assert_same(blocks, alone)


def test_a_lost_device_is_not_asked_again(quick: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def lost(_: CausalWanTransformer, passes: Sequence[BlockPass]) -> list[Tensor]:
        calls.append(len(passes))
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(CausalWanTransformer, "passes_together", lost)
    work = [reason(start(quick, SlidingWindow(), i, 3), RuntimeError) for i in range(2)]
    assert all("illegal memory" in why for why in in_step(work)) and calls == [2]


def test_what_ends_one_rollout_closes_the_stores_of_all(
    quick: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(SlidingWindow):
        def plan(self, first_frame: int) -> ContextPlan:
            raise RuntimeError("no plan today")

    open_stores: list[KVStore] = []
    close = KVStore.close
    monkeypatch.setattr(KVStore, "close", lambda one: (close(one), open_stores.remove(one)))
    rollouts = [start(quick, kind(), i, 3) for i, kind in enumerate((Broken, SlidingWindow))]
    open_stores += [rollout.store for rollout in rollouts]
    with pytest.raises(RuntimeError, match="no plan today"):
        in_step([all_blocks(rollout) for rollout in rollouts])  # the second one never begins
    assert not open_stores


@pytest.mark.parametrize("in_inference_mode", [False, True])
def test_a_pass_that_fails_keeps_nothing_until_garbage_is_collected(
    quick: Backbone, monkeypatch: pytest.MonkeyPatch, in_inference_mode: bool
) -> None:
    def failing(*_: object) -> Tensor:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(CausalWanTransformer, "forward", failing)
    rollout = start(quick, SlidingWindow(), 0, 3)
    alive = weakref.ref(rollout)
    gc.disable()
    try:
        with suppress(RuntimeError):
            steps = all_blocks(rollout)
            finish(without_gradients(steps) if in_inference_mode else steps)
        del rollout, steps
        assert alive() is None
    finally:
        gc.enable()
