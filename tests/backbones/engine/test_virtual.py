"""Virtual frames: their operations, and rollouts that replay and shorten exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from backbones.engine.backbone import Backbone
from backbones.engine.block import Block
from backbones.engine.kv.virtual import VirtualSlots
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.engine.runtime import KVLimits, Runtime
from backbones.engine.script import Script, Segment, Switch
from harness.core.errors import ConfigError, PlanError
from methods.base import ContextPlan, MemoryStrategy, Role, RolloutSpec
from methods.layout import in_a_row
from methods.merge_controls import MergedSink, RandomMerge
from methods.published.ema_sink import EmaSink
from methods.published.fademem import FadeMem
from methods.published.memrope import MemRope
from methods.sliding_window import SlidingWindow
from methods.virtual import Write, adain, mean, merged, moving_average, pooled
from tests.small import small_backbone

PROMPT = "dusk grassy four walking"
OTHER = "noon grassy four returning"
MERGING = (EmaSink, MemRope, FadeMem, RandomMerge, MergedSink)
SHAPE = (2, 2, 3, 5, 4)  # layer, key or value, head, token, channel


def slab(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


class First:
    """A merge that keeps the first slab, or only its first token."""

    num_tokens = 5

    def __call__(self, slabs: Tensor) -> Tensor:
        return slabs[0, :, :, :, : self.num_tokens]


class Cut(First):
    num_tokens = 1


def written(*writes: Write) -> VirtualSlots:
    """Two slots after writes whose frame n has the keys and values `slab(n)`."""
    slots = VirtualSlots(SHAPE, 2, torch.device("cpu"))
    for write in writes:
        slots.write(write, lambda number: slab(number) if number >= 0 else slots.slab(number))
    return slots


def test_a_mean_of_one_frame_is_its_copy() -> None:
    assert torch.equal(written(mean(-1, [3])).slab(-1), slab(3))


def test_a_mean_weighs_frames_token_by_token() -> None:
    torch.testing.assert_close(
        written(mean(-2, [1, 2], [0.25, 0.75])).slab(-2), 0.25 * slab(1) + 0.75 * slab(2)
    )


def test_a_moving_average_keeps_a_share_of_the_slot() -> None:
    slots = written(mean(-1, [0]), moving_average(-1, [1, 2], keep=0.9))
    torch.testing.assert_close(slots.slab(-1), 0.9 * slab(0) + 0.05 * (slab(1) + slab(2)))


def test_a_small_step_is_not_lost_in_the_precision_of_the_model() -> None:
    """In bfloat16 a step of 0.001 leaves most numbers as they are."""
    slots = VirtualSlots(SHAPE, 1, torch.device("cpu"))
    frames = [slab(0).bfloat16(), slab(1).bfloat16()]
    for write in (mean(-1, [0]), *[moving_average(-1, [1], 0.999)] * 100):
        slots.write(write, lambda number: frames[number] if number >= 0 else slots.slab(number))
    share = 0.999**100
    expected = share * frames[0].float() + (1 - share) * frames[1].float()
    torch.testing.assert_close(slots.slab(-1), expected, atol=1e-5, rtol=1e-4)


def test_a_pooled_mean_has_equal_tokens() -> None:
    result = written(pooled(mean(-1, [1, 2]))).slab(-1)
    expected = torch.cat([slab(1), slab(2)], 3).mean(3, keepdim=True).expand(SHAPE)
    torch.testing.assert_close(result, expected)


def test_adain_gives_a_frame_the_statistics_of_others() -> None:
    full = written(adain(-1, 1, [2, 3], strength=1)).slab(-1)
    trusted = torch.cat([slab(2), slab(3)], 3)
    torch.testing.assert_close(full.mean(3), trusted.mean(3))
    torch.testing.assert_close(full.std(3, correction=0), trusted.std(3, correction=0))
    part = written(adain(-1, 1, [2, 3], strength=0.35)).slab(-1)
    torch.testing.assert_close(part, 0.65 * slab(1) + 0.35 * full)


def test_a_registered_merge_computes_a_slot() -> None:
    name = f"{__name__}:{First.__name__}"
    assert torch.equal(written(merged(-1, [2, 1], name)).slab(-1), slab(2))
    with pytest.raises(PlanError, match=r"returned \(2, 2, 3, 1, 4\).*one slab"):
        written(merged(-1, [2], f"{__name__}:{Cut.__name__}"))


def test_a_slot_cannot_be_read_before_it_is_written() -> None:
    slots = written(mean(-1, [0]))
    with pytest.raises(PlanError, match="slot -2 before it is written"):
        slots.slab(-2)
    slots.forget()
    with pytest.raises(PlanError, match="slot -1 before it is written"):
        slots.slab(-1)


@dataclass
class Fixed:
    """A plan from the fourth block on, before that the whole past."""

    frames: Sequence[int]
    writes: Sequence[Write]
    num_slots: int = 1

    def reset(self, rollout: RolloutSpec) -> None: ...

    def observe(self, latents: Tensor, first_frame: int) -> None: ...

    def plan(self, first_frame: int) -> ContextPlan:
        if first_frame < 9:
            return in_a_row(3, (Role.local, range(first_frame)))
        parts = [(Role.virtual if frame < 0 else Role.local, (frame,)) for frame in self.frames]
        return in_a_row(3, *parts).with_writes(self.writes)


@pytest.fixture(scope="module")
def quick() -> Backbone:
    return small_backbone(1000)


def start(
    backbone: Backbone,
    strategy: MemoryStrategy,
    num_latents: int,
    prompt: Script | str = PROMPT,
    runtime: Runtime | None = None,
    noise: SeededNoise | None = None,
) -> Rollout:
    noise = noise or SeededNoise(0, PROMPT)
    return Rollout(backbone, strategy, prompt, noise, num_latents, 0, runtime)


def latents_of(blocks: list[Block]) -> Tensor:
    return torch.cat([block.latents for block in blocks])


def roll_out(backbone: Backbone, strategy: MemoryStrategy, num_latents: int, **given) -> Tensor:
    return latents_of(list(start(backbone, strategy, num_latents, **given).blocks()))


@pytest.mark.slow
def test_a_copied_frame_is_attended_to_as_the_frame_itself(quick: Backbone) -> None:
    copied = roll_out(quick, Fixed((-1, 7, 8), [mean(-1, [2])]), 12)
    assert torch.equal(copied, roll_out(quick, Fixed((2, 7, 8), []), 12))
    other = roll_out(quick, Fixed((-1, 7, 8), [mean(-1, [2, 4])]), 12)
    assert torch.equal(copied[:9], other[:9])
    assert not torch.equal(copied[9:], other[9:])


@pytest.mark.slow
def test_a_slot_that_is_written_again_is_gathered_again(quick: Backbone) -> None:
    """The place and position of a slot stay; what it holds does not."""
    once = roll_out(quick, Fixed((-1,), [mean(-1, [2])]), 15)

    class Twice(Fixed):
        def plan(self, first_frame: int) -> ContextPlan:
            plan = super().plan(first_frame)
            return plan if first_frame < 12 else plan.with_writes([mean(-1, [5])])

    twice = roll_out(quick, Twice((-1,), [mean(-1, [2])]), 15)
    assert torch.equal(once[:12], twice[:12])
    assert not torch.equal(once[12:], twice[12:])


@pytest.mark.parametrize(
    ("frames", "writes", "message"),
    [
        ((-1,), [], "slot -1 before it is written"),
        ((-2,), [], r"frames \[-2\] are not in the past"),
        ((8,), [mean(-2, [0])], r"names -2; the strategy has 1 slots"),
        ((8,), [mean(3, [0])], r"names 3; the strategy has 1 slots"),
        ((8,), [mean(-1, [-3])], r"names -3; the strategy has 1 slots"),
        ((8,), [mean(-1, [9])], "all of them in the past"),
        ((8,), [Write(-1, mean(-1, [0]).operation, ())], "needs sources"),
        ((8,), [mean(-1, [0, 1], [1.0])], "one finite weight for each source"),
        ((8,), [mean(-1, [0], [float("nan")])], "one finite weight for each source"),
        ((8,), [adain(-1, 0, [], 0.5)], "frames to approach"),
        ((8,), [adain(-1, 0, [1], 1.5)], "strength of 0 to 1"),
        ((8,), [merged(-1, [0], "")], "the name of a merge"),
        ((8,), [mean(-1, range(7))], "read 7 past frames that are not in the context; 6"),
        ((-1,), [moving_average(-1, [0], 0.5)], "slot -1 before it is written"),
    ],
)
def test_a_write_that_cannot_be_carried_out_is_refused(
    quick: Backbone, frames: Sequence[int], writes: list[Write], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        roll_out(quick, Fixed(frames, writes), 12)


def test_numbers_that_do_not_fit_are_refused_before_the_rollout(quick: Backbone) -> None:
    for strategy in (EmaSink(1.5), MemRope(sink_latents=7), FadeMem(span_latents=11)):
        with pytest.raises(ConfigError):
            start(quick, strategy, 12)
    with pytest.raises(ConfigError, match="A context of 18 latent frames needs"):
        start(quick, EmaSink(), 12, runtime=Runtime(kv=KVLimits(host_gib=0)))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", MERGING)
def test_replayed_latents_lead_to_the_same_continuation(quick: Backbone, strategy: type) -> None:
    whole = list(start(quick, strategy(), 36).blocks())
    latents = latents_of(whole)
    assert any(block.plan.writes for block in whole)
    for num_made in (12, 24, 33):
        resumed = list(start(quick, strategy(), 36).blocks(latents[:num_made]))
        assert torch.equal(latents_of(resumed), latents)
        assert [block.plan for block in resumed] == [block.plan for block in whole]
    assert torch.equal(roll_out(quick, strategy(), 24), latents[:24])


@pytest.mark.slow
def test_30_s_are_an_exact_prefix_of_60_s(quick: Backbone) -> None:
    long = roll_out(quick, FadeMem(), 240)
    assert torch.equal(roll_out(quick, FadeMem(), 120), long[:120])


class Hoarding(FadeMem):
    """Keeps all frames, though it never returns to the oldest."""

    def reach(self, first_frame: int) -> Sequence[int]:
        return range(first_frame)


@pytest.mark.slow
def test_where_keys_and_values_lie_does_not_change_the_video(quick: Backbone) -> None:
    slab_gib = quick.spec.shape.kv_bytes(1, torch.float32) / 2**30
    limits = KVLimits(host_gib=(18 + 9 + 1) * slab_gib)  # context and block, slots, one more
    small = start(quick, Hoarding(), 36, runtime=Runtime(kv=limits))
    spilled = latents_of(list(small.blocks()))
    assert small.store.allocated_mib()["spilled"] > 0
    assert torch.equal(spilled, roll_out(quick, FadeMem(), 36))


class LaterNoise(SeededNoise):
    """The noise of a video from its sixth block on."""

    def draw(self, block: int, step: int, shape: tuple[int, int, int, int]) -> Tensor:
        return super().draw(block + 5, step, shape)


@pytest.mark.slow
def test_flush_forgets_virtual_frames(quick: Backbone) -> None:
    script = Script((Segment(3.75, PROMPT), Segment(9, OTHER)), Switch.flush)
    flushed = roll_out(quick, EmaSink(), 33, prompt=script)
    fresh = roll_out(quick, EmaSink(), 18, prompt=OTHER, noise=LaterNoise(0, PROMPT))
    assert torch.equal(flushed[15:], fresh)


@pytest.mark.slow
@pytest.mark.parametrize("switch", [Switch.keep, Switch.recache])
def test_virtual_frames_of_a_script_are_replayed(quick: Backbone, switch: Switch) -> None:
    script = Script((Segment(4.5, PROMPT), Segment(9, OTHER)), switch)
    latents = roll_out(quick, EmaSink(), 30, prompt=script)
    resumed = start(quick, EmaSink(), 30, prompt=script).blocks(latents[:21])
    assert torch.equal(latents_of(list(resumed)), latents)


@pytest.mark.slow
def test_strategies_without_slots_pay_nothing(quick: Backbone) -> None:
    window, merging = start(quick, SlidingWindow(), 36), start(quick, EmaSink(), 36)
    assert "virtual" not in window.store.allocated_mib()
    slab_mib = quick.spec.shape.kv_bytes(1, torch.float32) / 2**20
    assert merging.store.allocated_mib()["virtual"] == 3 * slab_mib
