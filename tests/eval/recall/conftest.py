from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from backbones.world.grammar import ScenePrompt
from backbones.world.prompts import make_prompts
from backbones.world.render import render, to_uint8_frames
from backbones.world.scene import scenes_from_prompts
from eval.metric import Clip

NUM_SCENES = 60


@pytest.fixture(scope="session")
def world_clips() -> list[tuple[ScenePrompt, Clip]]:
    """Two frames each of scenes with balanced prompts, exactly as the world renders them."""
    prompts = make_prompts(NUM_SCENES, seed=3)
    clips = []
    for seed, prompt in enumerate(prompts):
        video = render(scenes_from_prompts([prompt], [seed]), torch.tensor([13, 217]))
        clips.append((prompt, Clip(to_uint8_frames(video)[0], 0, 16, str(prompt))))
    return clips


@pytest.fixture(scope="session")
def changed() -> Callable[[Clip, Callable[[np.ndarray], np.ndarray]], Clip]:
    """Return a function that applies a change of one frame to all frames of a clip."""

    def apply(clip: Clip, change: Callable[[np.ndarray], np.ndarray]) -> Clip:
        frames_FHWC = np.stack([change(frame) for frame in clip.frames_FHWC])
        return Clip(frames_FHWC, clip.start_frame, clip.fps, clip.prompt)

    return apply
