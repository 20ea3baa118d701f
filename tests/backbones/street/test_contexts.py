"""Contexts of training: right frames show what returns, and plans are those of a rollout."""

from __future__ import annotations

import hashlib
import random

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from backbones.street.training.clips import CLIP_BLOCKS, clip_truth
from backbones.street.training.contexts import (
    ClipTruth,
    ContextKind,
    Contexts,
    draw_kinds,
    old_frames,
    rollout_spec,
)
from backbones.world.street.prompt import Scene
from backbones.world.street.scene import draw_street
from backbones.world.street.script import BLOCK_LATENTS, FRAMES_PER_LATENT, Script
from backbones.world.street.truth import Truth
from backbones.world.street.visits import Visit
from methods.base import Role

SHIPPED_CLIPS = "033c629f99e73cb9591218cb76120302d61c2b600cf2a743a9eeea3cd5866b4c"


def _walk() -> ClipTruth:
    script = Script.of_segments([(15.0, "noon grassy three walking")])
    return ClipTruth(draw_street(3, 0), script)


def test_the_right_frames_of_a_walk_lie_a_lap_ago() -> None:
    # Three figures 64 px apart at 8 px a latent frame: a lap is 24 latent frames.
    assert set(_walk().right_frames(10, Visit.first)) == set(range(4, 10))
    assert _walk().right_frames(18, Visit.first)[:3] == [6, 7, 8]
    assert _walk().right_frames(18, Visit.last)[:3] == [32, 31, 30]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 500))
@example(330)
@example(431)
def test_the_right_frames_show_the_figure_that_returns(number: int) -> None:
    clip = clip_truth(0, number)
    seen_TS = _seen_by_latent(clip)
    for block in clip.returning_blocks:
        start = block * BLOCK_LATENTS
        shown = seen_TS[start : start + BLOCK_LATENTS].amax(0)
        window = seen_TS[start - 8 : start].amax(0)
        returning = (shown >= 0.3) & (window <= 0.1)
        for visit in Visit:
            frames = clip.right_frames(block, visit)
            assert frames and set(frames) <= set(old_frames(start))
            assert bool(((seen_TS[frames].amax(0) > 0.1) & returning).any())


@pytest.mark.parametrize("scene", [Scene.visitor, Scene.cups])
def test_memory_brings_back_the_visitor_and_what_led_to_the_ball(scene: Scene) -> None:
    """Some blocks of each scene need memory, and it holds only frames of the past that show it."""
    for number in range(6):
        clip = clip_truth(0, number, (scene,))
        seen_TS = _seen_by_latent(clip)
        assert clip.script.scene is scene
        for block in clip.returning_blocks:
            frames = clip.right_frames(block, Visit.last)
            assert set(frames) <= set(old_frames(block * BLOCK_LATENTS))
            comes = seen_TS[block * BLOCK_LATENTS : (block + 1) * BLOCK_LATENTS].amax(0) > 0.3
            assert bool((comes & (seen_TS[frames].amax(0) > 0.3)).any())
            if scene is Scene.cups:  # of every exchange since the ball was seen
                assert frames == sorted(frames) and len(frames) > 2


def test_scenes_of_a_training_come_in_turn_and_leave_the_street_as_it_was() -> None:
    mixed = [clip_truth(0, number, (Scene.cups, Scene.street)) for number in range(4)]
    assert [clip.script.scene for clip in mixed] == [Scene.cups, Scene.street] * 2
    assert mixed[1].script == clip_truth(0, 1).script and mixed[1].street == clip_truth(0, 1).street


def test_the_training_clips_of_the_shipped_weights_do_not_change() -> None:
    """The clips of a seed are part of what the weights in the package are."""
    facts = []
    for number in range(12):
        clip = clip_truth(0, number)
        prompts = [str(prompt) for prompt in clip.script.prompts]
        right = [clip.right_frames(block, Visit.last) for block in range(CLIP_BLOCKS)]
        facts.append((prompts, clip.street.start_px, clip.returning_blocks, right))
    assert hashlib.sha256(repr(facts).encode()).hexdigest() == SHIPPED_CLIPS


def _seen_by_latent(clip: ClipTruth) -> Tensor:
    """Return the largest share of every figure in view, by latent frame: the first one has one
    video frame, the others four.
    """
    visible = Truth.of(clip.street, clip.script).visible
    rest_TFS = visible[1:].unflatten(0, (-1, FRAMES_PER_LATENT))
    return torch.cat([visible[:1], rest_TFS.amax(1)])


@given(st.integers(0, 500), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_every_plan_can_be_carried_out(number: int, rng: random.Random) -> None:
    clip = clip_truth(1, number)
    kinds = draw_kinds(Contexts.memory, CLIP_BLOCKS, rng)
    spec = rollout_spec(clip.script.num_latents)
    for block, (kind, plan) in enumerate(zip(kinds, clip.plans(kinds, rng), strict=True)):
        plan.check(block * BLOCK_LATENTS, spec)
        memory = plan.roles.count(Role.memory)
        expected = 0 if kind is ContextKind.window else len(old_frames(block * BLOCK_LATENTS))
        assert memory == min(6, expected)


@pytest.mark.parametrize("block", [0, 1, 2])
def test_nothing_returns_before_the_window_is_full(block: int) -> None:
    assert block not in _walk().returning_blocks
    assert _walk().right_frames(block, Visit.first) == []


def test_a_training_on_the_window_alone_meets_no_memory() -> None:
    kinds = draw_kinds(Contexts.window, CLIP_BLOCKS, random.Random(0))
    assert kinds == [ContextKind.window] * CLIP_BLOCKS
