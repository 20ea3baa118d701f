from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from backbones.world.geometry import subject_pose
from backbones.world.grammar import SHAPES, ScenePrompt
from backbones.world.render import render, to_uint8_frames
from backbones.world.scene import scenes_from_prompts
from backbones.world.subject_match import match_subject

FRAMES = torch.tensor([0, 33, 90])


def matches_and_truth(prompt, seed):
    scenes = scenes_from_prompts([prompt], [seed])
    frames_FHWC = to_uint8_frames(render(scenes, FRAMES))[0]
    return [match_subject(frame, prompt) for frame in frames_FHWC], subject_pose(scenes, FRAMES)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("motion", ["rushing", "hopping"])
def test_the_subject_is_found_to_a_fraction_of_a_pixel(shape, motion):
    prompt = ScenePrompt.parse(f"noon grassy red yellowish halved {shape} {motion}")
    matches, truth = matches_and_truth(prompt, seed=11)
    found = [(match.center_x_px, match.center_y_px) for match in matches]
    expected = torch.stack([truth.center_x_px[0], truth.center_y_px[0]], dim=1)
    assert np.abs(np.array(found) - expected.numpy()).max() < 1


def test_the_rotation_of_a_halved_box_is_found():
    """A halved box has no symmetry: its rotation is determined."""
    prompt = ScenePrompt.parse("dawn sandy blue whiteish halved box drifting")
    matches, truth = matches_and_truth(prompt, seed=2)
    for match, rotation_rad in zip(matches, truth.rotation_rad[0].tolist(), strict=True):
        turn_rad = match.rotation_rad - rotation_rad
        assert math.cos(turn_rad) > math.cos(0.05)


def test_matching_the_same_frame_twice_gives_the_same():
    prompt = ScenePrompt.parse("night snowy white pinkish striped star pacing")
    first, _ = matches_and_truth(prompt, seed=4)
    again, _ = matches_and_truth(prompt, seed=4)
    assert first == again
