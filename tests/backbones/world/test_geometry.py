from __future__ import annotations

import pytest
import torch

from backbones.world.geometry import (
    camera_x,
    ground_y,
    ground_y_bounds_px,
    land_rows,
    sky_rows,
    subject_pose,
    subject_x_bounds_px,
    subject_y_bounds_px,
)
from backbones.world.grammar import MOTIONS, SHAPES, ScenePrompt
from backbones.world.prompt_colors import land_range_HC, mixture_distance, sky_HC
from backbones.world.prompts import make_prompts
from backbones.world.render import render
from backbones.world.scene import WORLD_WIDTH_PX, sample_scenes, scenes_from_prompts

FRAMES = torch.arange(0, 480, 7)


def prompt_of(shape, motion):
    return ScenePrompt.parse(f"dusk grassy blue yellowish striped {shape} {motion}")


def test_a_pacing_camera_returns_and_a_drifting_one_continues():
    pacing, drifting = (prompt_of("ball", motion) for motion in ("pacing", "drifting"))
    scenes = scenes_from_prompts([pacing, drifting], [0, 0])
    x_px = camera_x(scenes, torch.tensor([0, 150, 300]))
    torch.testing.assert_close(x_px[0], x_px[0, :1].expand(3))
    assert (x_px[1] - x_px[1, 0]).abs()[1:].min() > 100


def test_rushing_is_twice_as_fast_as_drifting():
    scenes = scenes_from_prompts([prompt_of("ball", m) for m in ("rushing", "drifting")], [4, 4])
    moved_px = camera_x(scenes, torch.tensor([100])) - camera_x(scenes, torch.tensor([0]))
    assert moved_px[0].item() == pytest.approx(2 * moved_px[1].item(), rel=1e-4)


def test_ground_and_subject_stay_within_their_bounds():
    prompts = make_prompts(200, seed=0)
    scenes = scenes_from_prompts(prompts, range(200))
    pose = subject_pose(scenes, FRAMES)
    left_px, right_px = subject_x_bounds_px()
    assert left_px <= pose.center_x_px.min() < left_px + 4
    assert right_px - 4 < pose.center_x_px.max() <= right_px
    for y_px, prompt in zip(pose.center_y_px, prompts, strict=True):
        top_px, bottom_px = subject_y_bounds_px(prompt)
        assert top_px <= y_px.min() <= y_px.max() <= bottom_px
    ground_px = ground_y(scenes, torch.arange(WORLD_WIDTH_PX).float().expand(200, -1))
    highest_px, lowest_px = ground_y_bounds_px()
    assert highest_px <= ground_px.min() <= ground_px.max() <= lowest_px


def test_ground_repeats_after_the_width_of_the_world():
    scenes = sample_scenes(5, seed=0)
    x_px = torch.arange(60).float().expand(5, -1)
    torch.testing.assert_close(
        ground_y(scenes, x_px), ground_y(scenes, x_px + WORLD_WIDTH_PX), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("motion", MOTIONS)
def test_sky_rows_show_only_sky_and_land_rows_only_land(shape, motion):
    prompt = prompt_of(shape, motion)
    top, bottom = sky_rows(prompt), land_rows(prompt)
    assert len(top) >= 5
    assert len(bottom) >= 2
    scenes = scenes_from_prompts([prompt] * 12, range(12))
    images = (render(scenes, torch.tensor([0, 5, 111])) + 1) / 2
    images = images.permute(0, 2, 3, 4, 1).numpy()
    sky = images[..., top.start : top.stop, :, :]
    assert abs(sky - sky_HC(prompt, top)[:, None]).max() < 0.01
    darkest_HC, lightest_HC = land_range_HC(prompt, bottom)
    land = images[..., bottom.start : bottom.stop, :, :]
    assert mixture_distance(land, darkest_HC[:, None], lightest_HC[:, None]).max() < 0.01
