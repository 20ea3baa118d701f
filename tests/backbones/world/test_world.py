from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from backbones.world.geometry import camera_x
from backbones.world.render import render, to_uint8_frames
from backbones.world.scene import WORLD_WIDTH_PX, sample_scenes

# Every sixth pixel of 8 scenes at two times, as the renderer of the training data made them.
GOLDEN = np.load(Path(__file__).parent / "data" / "world_golden.npz")
GOLDEN_SEED = 991


def test_frames_and_prompts_are_those_of_the_training_data():
    scenes = sample_scenes(8, GOLDEN_SEED)
    assert [str(scenes.prompt(index)) for index in range(8)] == GOLDEN["prompts"].tolist()
    frames = torch.from_numpy(GOLDEN["frame_numbers"])
    np.testing.assert_allclose(camera_x(scenes, frames), GOLDEN["camera_x"], atol=1e-3)
    shown = to_uint8_frames(render(scenes, frames))[:, :, 2::6, 2::6]
    difference = np.abs(shown.astype(int) - GOLDEN["frames"])
    assert difference.max() <= 1


def test_a_scene_looks_the_same_alone_and_in_a_batch():
    scenes, frames = sample_scenes(6, seed=1), torch.tensor([0, 40])
    batch = render(scenes, frames)
    assert batch.shape == (6, 3, 2, 128, 128)
    assert -1 <= batch.min() < batch.max() <= 1
    for index in range(6):
        torch.testing.assert_close(render(scenes[index], frames)[0], batch[index])


def test_the_camera_sees_the_same_place_again_after_the_width_of_the_world():
    scenes = sample_scenes(6, seed=3)
    around = replace(scenes, start_x_px=scenes.start_x_px + WORLD_WIDTH_PX)
    here, again = (render(batch, torch.tensor([0])) for batch in (scenes, around))
    # The subject's rotation does not repeat; the border columns are never covered by it.
    assert (here - again)[..., :6].abs().max() < 1e-3
    elsewhere = render(
        replace(scenes, start_x_px=scenes.start_x_px + WORLD_WIDTH_PX / 2), torch.tensor([0])
    )
    assert (here - elsewhere)[..., :6].abs().max() > 0.5
