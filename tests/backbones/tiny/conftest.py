from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from backbones.tiny.grammar import ScenePrompt
from backbones.tiny.prompts import make_prompts
from backbones.tiny.scene import scenes_from_prompts
from backbones.tiny.world import render, to_uint8_frames
from eval.metric import Clip

NUM_SCENES = 60


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small pictures render no faster on many threads, and far slower on busy cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def world_clips() -> list[tuple[ScenePrompt, Clip]]:
    """Two frames each of scenes with balanced prompts, exactly as the world renders them."""
    prompts = make_prompts(NUM_SCENES, seed=3)
    clips = []
    for seed, prompt in enumerate(prompts):
        video = render(scenes_from_prompts([prompt], [seed]), torch.tensor([13, 217]))
        clips.append((prompt, Clip(to_uint8_frames(video)[0], 0, 16, str(prompt))))
    return clips


@pytest.fixture
def changed() -> Callable[[Clip, Callable[[np.ndarray], np.ndarray]], Clip]:
    """Applies a change of one frame to all frames of a clip."""

    def apply(clip: Clip, change: Callable[[np.ndarray], np.ndarray]) -> Clip:
        frames_FHWC = np.stack([change(frame) for frame in clip.frames_FHWC])
        return Clip(frames_FHWC, clip.start_frame, clip.fps, clip.prompt)

    return apply
