from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from backbones.world.prompts import make_prompts
from backbones.world.scene import SceneBatch, sample_scenes, scenes_from_prompts
from harness.core.errors import LongtakeError

DISCRETE = {"sky", "land", "color", "second_color", "pattern", "shape", "motion"}


def test_a_scene_of_a_prompt_is_described_by_that_prompt():
    prompts = make_prompts(40, seed=1)
    scenes = scenes_from_prompts(prompts, range(40))
    assert [scenes.prompt(index) for index in range(len(scenes))] == prompts


def test_the_seed_alone_fixes_what_the_prompt_leaves_open():
    first, second = make_prompts(2, seed=0)
    scenes = scenes_from_prompts([first, second, first], [5, 5, 6])
    for field in fields(SceneBatch):
        if field.name not in DISCRETE:
            values = getattr(scenes, field.name)
            assert torch.equal(values[0], values[1]), field.name
    assert not torch.equal(scenes.hill_phase_rad[0], scenes.hill_phase_rad[2])


def test_sampled_scenes_repeat_with_their_seed_and_have_valid_prompts():
    scenes, again = sample_scenes(64, seed=9), sample_scenes(64, seed=9)
    for field in fields(SceneBatch):
        assert torch.equal(getattr(scenes, field.name), getattr(again, field.name))
    assert len({scenes.prompt(index) for index in range(64)}) > 60


def test_one_scene_of_a_batch_keeps_its_parameters():
    scenes = sample_scenes(4, seed=2)
    one = scenes[2]
    assert len(one) == 1
    assert one.prompt(0) == scenes.prompt(2)
    assert torch.equal(one.landmark_x_px[0], scenes.landmark_x_px[2])


def test_iterating_over_a_batch_ends():
    assert len(list(sample_scenes(3, seed=0))) == 3


@pytest.mark.parametrize(("num", "seeds"), [(2, [1]), (0, [])])
def test_seeds_must_match_the_prompts(num, seeds):
    with pytest.raises(LongtakeError, match=f"{num} prompts and {len(seeds)} seeds"):
        scenes_from_prompts(make_prompts(2, seed=0)[:num], seeds)
