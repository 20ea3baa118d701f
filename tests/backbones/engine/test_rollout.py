from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from backbones.engine.backbone import Backbone
from backbones.engine.block import Block
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from harness.core.errors import LongtakeError
from methods.base import ContextPlan, MemoryStrategy, Role, RolloutSpec
from methods.rag import Rag
from methods.sliding_window import SlidingWindow
from tests.small import small_backbone

pytestmark = pytest.mark.slow

PROMPT = "dusk grassy four walking"


def roll_out(
    backbone: Backbone,
    strategy: MemoryStrategy,
    num_latents: int,
    made: torch.Tensor | None = None,
) -> list[Block]:
    noise = SeededNoise(0, PROMPT)
    rollout = Rollout(backbone, strategy, PROMPT, noise, num_latents, seed=0)
    return list(rollout.blocks(made))


def latents_of(blocks: list[Block]) -> torch.Tensor:
    return torch.cat([block.latents for block in blocks])


def test_a_shorter_video_is_an_exact_prefix_of_a_longer_one(small: Backbone) -> None:
    short = latents_of(roll_out(small, Rag(), 24))
    long = latents_of(roll_out(small, Rag(), 36))
    assert torch.equal(short, long[:24])


def test_30_s_are_an_exact_prefix_of_60_s() -> None:
    one_step = small_backbone(1000)
    short = latents_of(roll_out(one_step, Rag(), 120))
    long = latents_of(roll_out(one_step, Rag(), 240))
    assert torch.equal(short, long[:120])


@pytest.mark.parametrize("num_made", [3, 24, 33])
def test_replayed_latents_lead_to_the_same_continuation(small: Backbone, num_made: int) -> None:
    whole = roll_out(small, Rag(), 36)
    resumed = roll_out(small, Rag(), 36, made=latents_of(whole)[:num_made])
    assert torch.equal(latents_of(resumed), latents_of(whole))
    assert [block.plan for block in resumed] == [block.plan for block in whole]
    assert [block.replayed for block in resumed] == [i * 3 < num_made for i in range(12)]


def test_methods_see_the_same_noise_until_their_contexts_differ(small: Backbone) -> None:
    window = roll_out(small, SlidingWindow(), 9)
    rag = roll_out(small, Rag(), 9)
    assert window[1].plan.frames == rag[1].plan.frames
    assert torch.equal(latents_of(window)[:6], latents_of(rag)[:6])
    assert window[2].plan.frames != rag[2].plan.frames
    assert not torch.equal(latents_of(window)[6:], latents_of(rag)[6:])


def test_the_prompt_and_the_seed_change_the_video(small: Backbone) -> None:
    def first_block(seed: int, prompt: str) -> torch.Tensor:
        noise = SeededNoise(seed, prompt)
        rollout = Rollout(small, SlidingWindow(), prompt, noise, 3, seed)
        return next(iter(rollout.blocks())).latents

    other = "noon grassy four returning"
    assert not torch.equal(first_block(0, PROMPT), first_block(1, PROMPT))
    assert not torch.equal(first_block(0, PROMPT), first_block(0, other))


@dataclass
class Fixed:
    """Plans that a test wants to see refused."""

    plan_given: ContextPlan

    def reset(self, rollout: RolloutSpec) -> None: ...

    def observe(self, latents: torch.Tensor, first_frame: int) -> None: ...

    def plan(self, first_frame: int) -> ContextPlan:
        if first_frame == 0:
            return ContextPlan((), (), (0, 1, 2), ())
        return self.plan_given


BLOCK = (9, 10, 11)
LOCAL = Role.local


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (ContextPlan((0,) * 10, (0,) * 10, BLOCK, (LOCAL,) * 10), "exceed the budget of 12"),
        (ContextPlan((3,), (0,), BLOCK, (LOCAL,)), "not in the past"),
        (ContextPlan((-1,), (0,), BLOCK, (LOCAL,)), "not in the past"),
        (ContextPlan((0,), (1024,), BLOCK, (LOCAL,)), "RoPE table"),
        (ContextPlan((0,), (-1,), BLOCK, (LOCAL,)), "RoPE table"),
        (ContextPlan((0,), (0,), (1022, 1023, 1024), (LOCAL,)), "RoPE table"),
        (ContextPlan((0,), (0, 1), BLOCK, (LOCAL,)), "expected one each"),
        (ContextPlan((0,), (0,), (9, 10), (LOCAL,)), "query positions"),
        (ContextPlan((0,), (0,), BLOCK, (Role.memory,), ()), "0 scores for 1 memory"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(
    small: Backbone, plan: ContextPlan, message: str
) -> None:
    with pytest.raises(LongtakeError, match=message):
        roll_out(small, Fixed(plan), 6)


def test_repeated_frames_weigh_double(small: Backbone) -> None:
    once = roll_out(small, Fixed(ContextPlan((0,), (0,), (1, 2, 3), (LOCAL,))), 6)
    twice = roll_out(small, Fixed(ContextPlan((0, 0), (0, 0), (1, 2, 3), (LOCAL,) * 2)), 6)
    assert torch.isfinite(latents_of(twice)).all()
    assert not torch.allclose(latents_of(once)[3:], latents_of(twice)[3:], atol=1e-3)


def test_the_order_of_context_frames_does_not_matter(small: Backbone) -> None:
    forward = Fixed(ContextPlan((0, 1, 2), (0, 1, 2), (3, 4, 5), (LOCAL,) * 3))
    backward = Fixed(ContextPlan((2, 1, 0), (2, 1, 0), (3, 4, 5), (LOCAL,) * 3))
    one, other = roll_out(small, forward, 6), roll_out(small, backward, 6)
    torch.testing.assert_close(latents_of(one), latents_of(other), rtol=1e-3, atol=1e-3)
