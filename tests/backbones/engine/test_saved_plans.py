"""A replayed block keeps its saved context where the strategy's now ties with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from backbones.engine.block import Block
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from methods.base import ContextPlan
from methods.rag import Rag
from tests.small import small_backbone

PROMPT = "dusk grassy four walking"
NUM_LATENTS, NUM_SAVED = 30, 24


@dataclass
class OtherChoice(Rag):
    """Retrieves another frame in place of the first, as if that were as similar, or nearly."""

    lead: float = 0.0

    def plan(self, first_frame: int) -> ContextPlan:
        plan = super().plan(first_frame)
        if plan.scores is None:
            return plan
        place = plan.frames.index(plan.memory_frames()[0])
        other = next(frame for frame in range(first_frame) if frame not in plan.frames)
        frames = (*plan.frames[:place], other, *plan.frames[place + 1 :])
        return replace(plan, frames=frames, scores=(plan.scores[0] + self.lead, *plan.scores[1:]))


def made(strategy: Rag, earlier: list[Block] | None = None) -> list[Block]:
    rollout = Rollout(
        small_backbone(1000), strategy, PROMPT, SeededNoise(0, PROMPT), NUM_LATENTS, 0
    )
    if earlier is None:
        return list(rollout.blocks())
    saved = torch.cat([block.latents for block in earlier])[:NUM_SAVED]
    return list(rollout.blocks(saved, [block.plan for block in earlier][: NUM_SAVED // 3]))


@pytest.fixture(scope="module")
def whole() -> list[Block]:
    blocks = made(Rag(recent_exclude_latents=0))
    assert blocks[NUM_SAVED // 3 - 1].plan.memory_frames()
    return blocks


def test_the_same_strategy_makes_the_same_of_saved_plans(whole: list[Block]) -> None:
    again = made(Rag(recent_exclude_latents=0), whole)
    assert all(torch.equal(a.latents, b.latents) for a, b in zip(again, whole, strict=True))
    assert [block.plan for block in again] == [block.plan for block in whole]
    assert not any(block.kept_plan for block in again)


def test_another_choice_of_the_same_similarity_does_not_replace_a_saved_one(
    whole: list[Block],
) -> None:
    again = made(OtherChoice(recent_exclude_latents=0), whole)
    replayed, new = again[: NUM_SAVED // 3], again[NUM_SAVED // 3 :]
    assert [block.plan for block in replayed] == [block.plan for block in whole[: len(replayed)]]
    assert any(block.kept_plan for block in replayed)
    assert not any(block.kept_plan for block in new)
    assert new[0].plan.frames != whole[len(replayed)].plan.frames


def test_a_choice_that_is_more_similar_is_not_a_tie(whole: list[Block]) -> None:
    again = made(OtherChoice(recent_exclude_latents=0, lead=0.1), whole)
    assert not any(block.kept_plan for block in again)
    assert [block.plan for block in again] != [block.plan for block in whole]
