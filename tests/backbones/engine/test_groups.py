"""Heads with contexts of their own: the same results as separate contexts, replay, bad groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from backbones.engine.backbone import Backbone
from backbones.engine.block import Block
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.engine.runtime import KVLimits, Runtime
from backbones.engine.spec import Precision
from backbones.wan.transformer import CausalWanTransformer
from harness.core.errors import PlanError
from methods.base import BlockView, ContextPlan, Group, Pass, Role
from methods.groups import Heads, by_layer, others, problem_of
from methods.layout import in_a_row
from methods.published.head_split import HeadSplit
from methods.sliding_window import SlidingWindow
from tests.small import small_backbone

PROMPT = "dusk grassy four walking"
SECOND: Heads = ((1,), (1,))  # of both layers of the small backbone


@dataclass
class Split(SlidingWindow):
    """A sliding window whose groups are made from its plan."""

    groups: Callable[[ContextPlan], tuple[Group, ...]] = lambda plan: ()

    def plan(self, first_frame: int) -> ContextPlan:
        plan = super().plan(first_frame)
        return replace(plan, groups=self.groups(plan)) if first_frame >= 9 else plan


@pytest.fixture(scope="module")
def quick() -> Backbone:
    return small_backbone(1000)


def roll_out(
    backbone: Backbone, strategy: SlidingWindow, num_latents: int = 18, made: Tensor | None = None
) -> list[Block]:
    noise = SeededNoise(0, PROMPT)
    return list(Rollout(backbone, strategy, PROMPT, noise, num_latents, 0).blocks(made))


def latents_of(blocks: list[Block]) -> Tensor:
    return torch.cat([block.latents for block in blocks])


@pytest.mark.slow
@pytest.mark.parametrize("heads", [SECOND, ((0,), ()), ((0,), (1,))])
def test_groups_with_equal_contexts_are_one_context(quick: Backbone, heads: Heads) -> None:
    """The order in which heads are computed is all that differs."""
    split = roll_out(quick, Split(groups=lambda plan: (Group(heads, plan),)))
    whole = roll_out(quick, SlidingWindow())
    torch.testing.assert_close(latents_of(split), latents_of(whole), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_attention_mass_of_groups_is_float32_in_a_bfloat16_model(quick: Backbone) -> None:
    assert isinstance(quick.transformer, CausalWanTransformer)
    transformer = CausalWanTransformer(quick.transformer.config)
    transformer.load_state_dict(quick.transformer.state_dict())
    spec = replace(quick.spec, precision=Precision.bfloat16)
    rounded = replace(quick, spec=spec, transformer=transformer.bfloat16().prepare())
    seen: list[Tensor] = []

    @dataclass
    class Watched(HeadSplit):
        def observe(self, latents: Tensor, first_frame: int) -> None:
            super().observe(latents, first_frame)
            seen.append(self._view.attention_mass(Pass.clean))

    roll_out(rounded, Watched())
    assert {mass.dtype for mass in seen} == {torch.float32}
    torch.testing.assert_close(seen[-1].sum(2), torch.ones(2, 2))


@pytest.mark.slow
def test_a_group_attends_to_its_own_frames_alone(quick: Backbone) -> None:
    """Each head is as in a rollout in which all heads have its context, up to the first layer."""

    def narrow(plan: ContextPlan) -> tuple[Group, ...]:
        return (Group(SECOND, in_a_row(3, (Role.local, plan.frames[-2:]))),)

    @dataclass
    class Watched(Split):
        needs_model = True
        evidence = (Pass.clean,)
        masses: list[Tensor] = field(default_factory=list)

        def attach(self, view: BlockView) -> None:
            self.view = view

        def observe(self, latents: Tensor, first_frame: int) -> None:
            self.masses.append(self.view.attention_mass(Pass.clean))

    watched = Watched(groups=narrow)
    roll_out(quick, watched)
    for mass in watched.masses[3:]:
        assert mass.shape == (2, 2, 12)
        torch.testing.assert_close(mass.sum(2), torch.ones(2, 2))
        assert (mass[:, 1, 2:9] == 0).all()
        assert (mass[:, 0] > 0).all()
        assert (mass[:, 1, [0, 1, 9, 10, 11]] > 0).all()


@pytest.mark.slow
def test_a_head_without_past_sees_the_block_alone(quick: Backbone) -> None:
    alone = roll_out(quick, Split(groups=lambda plan: (Group(SECOND, in_a_row(3)),)))
    whole = roll_out(quick, SlidingWindow())
    assert torch.equal(latents_of(alone)[:9], latents_of(whole)[:9])
    assert not torch.allclose(latents_of(alone)[9:], latents_of(whole)[9:], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("num_made", [9, 24])
def test_replayed_latents_lead_to_the_same_continuation(quick: Backbone, num_made: int) -> None:
    whole = roll_out(quick, HeadSplit(), 30)
    resumed = roll_out(quick, HeadSplit(), 30, latents_of(whole)[:num_made])
    assert torch.equal(latents_of(resumed), latents_of(whole))
    assert [block.plan for block in resumed] == [block.plan for block in whole]
    assert all(len(block.plan.groups) == 2 for block in whole[4:])
    assert torch.equal(latents_of(roll_out(quick, HeadSplit(), 21)), latents_of(whole)[:21])


@dataclass
class Apart(Split):
    """Keeps all frames, and gives each of three heads another third of the last 27."""

    def reach(self, first_frame: int) -> range:
        return range(first_frame)

    def plan(self, first_frame: int) -> ContextPlan:
        plan = super().plan(first_frame)
        if first_frame < 27:
            return plan
        parts = [range(first_frame - 9 * n - 9, first_frame - 9 * n) for n in range(3)]
        heads: tuple[Heads, ...] = (((0,), ()), ((1,), ()), ((), (0,)))
        return replace(
            plan,
            groups=tuple(
                Group(some, in_a_row(3, (Role.local, part)))
                for some, part in zip(heads, parts, strict=True)
            ),
        )


@pytest.mark.slow
def test_groups_of_more_frames_than_the_device_holds_are_fetched_one_by_one(
    quick: Backbone,
) -> None:
    slab_gib = quick.spec.shape.kv_bytes(1, torch.float32) / 2**30
    whole = roll_out(quick, Apart(), 36)
    noise = SeededNoise(0, PROMPT)
    limits = Runtime(kv=KVLimits(host_gib=12.5 * slab_gib))
    small = Rollout(quick, Apart(), PROMPT, noise, 36, 0, limits)
    assert torch.equal(latents_of(list(small.blocks())), latents_of(whole))
    assert small.store.allocated_mib()["device"] <= 12.5 * slab_gib * 2**10
    assert small.store.allocated_mib()["spilled"] > 0


ALL: Heads = ((0, 1), (0, 1))
PLAN = in_a_row(3, (Role.local, range(9)))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ((Group(SECOND, PLAN), Group(((1,), ()), PLAN)), "group 1 has head 1 of layer 0.*overlap"),
        ((Group(((0, 0), ()), PLAN),), "head 0 of layer 0, which is in a group already"),
        ((Group(ALL, PLAN),), "leave no head to the plan itself"),
        ((Group(((2,), ()), PLAN),), r"head 2 of layer 0; there are heads 0\.\.1"),
        ((Group(((1,),), PLAN),), "heads of 1 layers; the model has 2"),
        (
            (Group(((0,), ()), PLAN), Group(SECOND, in_a_row(3, (Role.local, (0,) * 10)))),
            "Group 1: .* block at latent 9: 10 past .* block of 3 exceed the budget of 12",
        ),
        (
            (Group(SECOND, in_a_row(3, (Role.local, (9,)))),),
            r"Group 0: .* \[9\] are not in the past",
        ),
        ((Group(SECOND, replace(PLAN, groups=(Group(SECOND, PLAN),))),), "only the plan itself"),
    ],
)
def test_groups_that_cannot_be_carried_out_are_refused(
    quick: Backbone, groups: tuple[Group, ...], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        roll_out(quick, Split(groups=lambda plan: groups), 12)


def test_heads_are_counted_through_all_layers() -> None:
    assert by_layer([1, 4, 5], layers=2, heads=3) == ((1,), (1, 2))
    assert others([((1,), (1, 2))], 2, 3) == ((0, 2), (0,))
    assert problem_of([], 2, 3) is None
