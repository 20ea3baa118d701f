"""The parameters of scenes of the tiny world, and their random draw.

A prompt fixes the discrete attributes (sky, land, colors, pattern, shape, motion); a seed fixes the
continuous ones (hills, landmarks, start and speed of the camera). Scenes come in batches, because
rendering is batched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from backbones.world.grammar import (
    COLORS,
    LANDS,
    MOTIONS,
    PATTERNS,
    SECOND_COLORS,
    SHAPES,
    SKIES,
    ScenePrompt,
)
from harness.core.errors import ConfigError

# The ground repeats after this distance; the camera comes back to the same place.
WORLD_WIDTH_PX = 384
HILL_AMPLITUDES_PX = (14.0, 8.0, 4.0)
NUM_LANDMARKS = 7
LANDMARK_KINDS = ("tree", "house", "cone")
LANDMARK_SCALES = (0.7, 1.3)
# Range of the subject's mean place on the screen.
SUBJECT_X_PX = (44.0, 84.0)


@dataclass(frozen=True, eq=False)
class SceneBatch:
    """Parameters of a batch of scenes; the first axis of every tensor is the scene.

    Attributes:
        sky, land, color, second_color, pattern, shape, motion: indices into the word lists.
        hill_amplitude_px: amplitude of each harmonic of the hills, before the gain of a layer.
        hill_phase_rad: phase of each harmonic.
        landmark_x_px: position of each landmark in the world.
        landmark_color: index into `COLORS`.
        landmark_kind: index into `LANDMARK_KINDS`.
        landmark_scale: size of each landmark relative to the nominal one.
        start_x_px: camera position at frame 0.
        direction: 1 moves right, -1 left.
        speed: speed of the camera, px per frame before the factor of the motion.
        bob_phase_rad: phase of the subject's own movement.
        subject_x_px: mean x of the subject on the screen.
    """

    sky: Int[Tensor, " scene"]
    land: Int[Tensor, " scene"]
    color: Int[Tensor, " scene"]
    second_color: Int[Tensor, " scene"]
    pattern: Int[Tensor, " scene"]
    shape: Int[Tensor, " scene"]
    motion: Int[Tensor, " scene"]
    hill_amplitude_px: Float[Tensor, "scene harmonic"]
    hill_phase_rad: Float[Tensor, "scene harmonic"]
    landmark_x_px: Float[Tensor, "scene landmark"]
    landmark_color: Int[Tensor, "scene landmark"]
    landmark_kind: Int[Tensor, "scene landmark"]
    landmark_scale: Float[Tensor, "scene landmark"]
    start_x_px: Float[Tensor, " scene"]
    direction: Float[Tensor, " scene"]
    speed: Float[Tensor, " scene"]
    bob_phase_rad: Float[Tensor, " scene"]
    subject_x_px: Float[Tensor, " scene"]

    def __len__(self) -> int:
        return len(self.sky)

    @property
    def device(self) -> torch.device:
        """Device of the parameters, which is also used for rendering."""
        return self.sky.device

    def to(self, device: torch.device | str) -> SceneBatch:
        """Return the same scenes on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def __getitem__(self, index: int) -> SceneBatch:
        """Return one scene, as a batch of one."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"scene {index} of a batch of {len(self)}")
        return self._map(lambda tensor: tensor[index][None])

    def prompt(self, index: int) -> ScenePrompt:
        """Return the prompt that describes one scene."""
        return ScenePrompt(
            sky=SKIES[int(self.sky[index])],
            land=LANDS[int(self.land[index])],
            color=COLORS[int(self.color[index])],
            second_color=SECOND_COLORS[int(self.second_color[index])],
            pattern=PATTERNS[int(self.pattern[index])],
            shape=SHAPES[int(self.shape[index])],
            motion=MOTIONS[int(self.motion[index])],
        )

    def _map(self, change: Callable[[Tensor], Tensor]) -> SceneBatch:
        return SceneBatch(*(change(getattr(self, field.name)) for field in fields(self)))


def sample_scenes(num: int, seed: int) -> SceneBatch:
    """Draw scenes with random prompts, on the CPU.

    The order of the draws is that of the backbone's training data. The scenes depend on both `num`
    and `seed`: the first scenes of a larger batch are not those of a smaller one.
    """
    generator = torch.Generator().manual_seed(seed)

    def integers(high: int, *shape: int) -> Tensor:
        return torch.randint(high, (num, *shape), generator=generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(num, *shape, generator=generator)

    # The order of the draws is part of the definition.
    sky, land, color = integers(len(SKIES)), integers(len(LANDS)), integers(len(COLORS))
    second_color = (color + 1 + integers(len(COLORS) - 1)) % len(COLORS)
    shape, pattern = integers(len(SHAPES)), integers(len(PATTERNS))
    motion = integers(len(MOTIONS))
    harmonics = len(HILL_AMPLITUDES_PX)
    hill_amplitude_px = uniform(harmonics) * torch.tensor(HILL_AMPLITUDES_PX)
    hill_phase_rad = uniform(harmonics) * 2 * math.pi
    landmark_slot = torch.arange(NUM_LANDMARKS)[None] + uniform(NUM_LANDMARKS) * 0.8
    landmark_color = integers(len(COLORS), NUM_LANDMARKS)
    landmark_kind = integers(len(LANDMARK_KINDS), NUM_LANDMARKS)
    smallest, largest = LANDMARK_SCALES
    left_px, right_px = SUBJECT_X_PX
    landmark_scale = smallest + (largest - smallest) * uniform(NUM_LANDMARKS)
    return SceneBatch(
        sky=sky,
        land=land,
        color=color,
        second_color=second_color,
        pattern=pattern,
        shape=shape,
        motion=motion,
        hill_amplitude_px=hill_amplitude_px,
        hill_phase_rad=hill_phase_rad,
        landmark_x_px=landmark_slot * WORLD_WIDTH_PX / NUM_LANDMARKS,
        landmark_color=landmark_color,
        landmark_kind=landmark_kind,
        landmark_scale=landmark_scale,
        start_x_px=uniform() * WORLD_WIDTH_PX,
        direction=torch.where(uniform() < 0.5, -1.0, 1.0),
        speed=0.8 + 0.5 * uniform(),
        bob_phase_rad=uniform() * 2 * math.pi,
        subject_x_px=left_px + (right_px - left_px) * uniform(),
    )


def scenes_from_prompts(prompts: Sequence[ScenePrompt], seeds: Sequence[int]) -> SceneBatch:
    """Draw one scene per prompt; its seed determines everything the prompt leaves open.

    Raises:
        ConfigError: there is no prompt, or the number of seeds differs.
    """
    if not prompts or len(prompts) != len(seeds):
        raise ConfigError(
            f"Scenes need one seed per prompt, got {len(prompts)} prompts and {len(seeds)} seeds."
        )
    scenes = [_from_prompt(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
    return SceneBatch(
        *(
            torch.cat([getattr(scene, field.name) for scene in scenes])
            for field in fields(SceneBatch)
        )
    )


def _from_prompt(prompt: ScenePrompt, seed: int) -> SceneBatch:
    return replace(
        sample_scenes(1, seed),
        sky=torch.tensor([SKIES.index(prompt.sky)]),
        land=torch.tensor([LANDS.index(prompt.land)]),
        color=torch.tensor([COLORS.index(prompt.color)]),
        second_color=torch.tensor([SECOND_COLORS.index(prompt.second_color)]),
        pattern=torch.tensor([PATTERNS.index(prompt.pattern)]),
        shape=torch.tensor([SHAPES.index(prompt.shape)]),
        motion=torch.tensor([MOTIONS.index(prompt.motion)]),
    )
