"""Scripts of the street, and the path of the camera that follows from one.

A script is a list of shots, each a prompt that holds for some blocks. Sky and motion may change
from shot to shot; land and cast belong to the street and stay.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from backbones.world.looks import SKIES
from backbones.world.street.blocks import Block
from backbones.world.street.cups import CupsPath
from backbones.world.street.prompt import SPEED_PX, Scene, StreetPrompt
from backbones.world.street.visitor import MOST_VISITORS, VisitorPath
from harness.core.errors import ConfigError

VERSION = 1  # of words, motions and pictures; weights of another version are refused
FPS = 16
FRAMES_PER_LATENT = 4
BLOCK_LATENTS = 3
BLOCK_S = BLOCK_LATENTS * FRAMES_PER_LATENT / FPS
GAP_PX = 64  # distance of two neighbouring figures
# Looking up moves the picture down by this much, enough to take every figure out of view.
TILT_PX, TILT_SPEED_PX = 56, 4
_GAME_FIGURES = 4  # two of them lend their colours to ball and cups


@dataclass(frozen=True)
class Shot:
    """A stretch of a script with one prompt.

    Attributes:
        prompt: sky, land, cast, motion.
        num_blocks: its length in blocks of latent frames.
    """

    prompt: StreetPrompt
    num_blocks: int


@dataclass(frozen=True)
class Script:
    """Motion of camera, visitor or cups, and changes of the light, block by block.

    Raises:
        ConfigError: no shots, an empty one, another land or cast on the way, or something that the
            scene can't show.
    """

    shots: tuple[Shot, ...]

    def __post_init__(self) -> None:
        if not self.shots:
            raise ConfigError("A script of the street needs at least one shot.")
        for shot in self.shots:
            if shot.num_blocks < 1:
                raise ConfigError(f"The shot {str(shot.prompt)!r} lasts no block of {BLOCK_S} s.")
            for slot in ("land", "cast"):
                first, word = getattr(self.shots[0].prompt, slot), getattr(shot.prompt, slot)
                if word != first:
                    raise ConfigError(
                        f"A street cannot change its {slot} on the way: the script begins with "
                        f"{first!r} and goes on with {word!r}. Only sky and motion may change."
                    )
        # Following them refuses what the scene can't show.
        if self.scene is Scene.visitor:
            _ = self.visitor
        elif self.scene is Scene.cups:
            _ = self.cups

    @classmethod
    def of_segments(cls, segments: Sequence[tuple[float, str]]) -> Self:
        """Build a script from (seconds, prompt) pairs.

        Raises:
            ConfigError: a prompt outside the grammar, or a shot of no whole number of blocks.
        """
        shots = []
        for seconds, text in segments:
            num_blocks = round(seconds / BLOCK_S)
            if abs(num_blocks * BLOCK_S - seconds) > 1e-6:
                raise ConfigError(
                    f"The shot {text!r} lasts {seconds:g} s, which is not a whole number of blocks "
                    f"of {BLOCK_S:g} s."
                )
            shots.append(Shot(StreetPrompt.parse(text), num_blocks))
        return cls(tuple(shots))

    @classmethod
    def of_changes(cls, changes: Sequence[tuple[int, StreetPrompt]], num_frames: int) -> Self:
        """Build the script of at least `num_frames` from the first video frame of every shot."""
        starts = [_block_of(frame) for frame, _ in changes]
        ends = [*starts[1:], max(_block_of(num_frames - 1), starts[-1]) + 1]
        return cls(
            tuple(
                Shot(prompt, end - start)
                for (_, prompt), start, end in zip(changes, starts, ends, strict=True)
            )
        )

    @property
    def scene(self) -> Scene:
        """The scene that the script plays in."""
        return self.shots[0].prompt.scene

    @property
    def num_figures(self) -> int:
        """Number of figures of the street."""
        if self.scene is Scene.street:
            return self.shots[0].prompt.num_figures
        return MOST_VISITORS if self.scene is Scene.visitor else _GAME_FIGURES

    @property
    def lap_px(self) -> int:
        """Length of the closed street."""
        return self.num_figures * GAP_PX

    @cached_property
    def prompts(self) -> tuple[StreetPrompt, ...]:
        """The prompt of every block."""
        return tuple(
            itertools.chain.from_iterable([shot.prompt] * shot.num_blocks for shot in self.shots)
        )

    @property
    def num_latents(self) -> int:
        """Length in latent frames."""
        return len(self.prompts) * BLOCK_LATENTS

    @property
    def num_frames(self) -> int:
        """Length in video frames; the first latent frame is one frame, every other four."""
        return (self.num_latents - 1) * FRAMES_PER_LATENT + 1

    @cached_property
    def path(self) -> CameraPath:
        """The camera of every video frame."""
        return _path(self)

    @cached_property
    def visitor(self) -> VisitorPath:
        """The visitors of a script of theirs."""
        return VisitorPath.of(self.blocks)

    @cached_property
    def cups(self) -> CupsPath:
        """The cups of a game."""
        return CupsPath.of(self.blocks)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Motion and length of every block."""
        # The first latent frame is a single video frame, the pose that everything starts from.
        frames = BLOCK_LATENTS * FRAMES_PER_LATENT
        return tuple(
            Block(prompt.motion, frames - (0 if number else FRAMES_PER_LATENT), number * BLOCK_S)
            for number, prompt in enumerate(self.prompts)
        )


@dataclass(frozen=True, eq=False)
class CameraPath:
    """The pose of the camera and the sky of every video frame.

    Attributes:
        x_px: distance moved along the street since the first frame.
        tilt_px: upward look of the camera: the picture is this much lower.
        sky: share of every sky, in the order of `SKIES`; a change takes one block.
    """

    x_px: Int[Tensor, " frame"]
    tilt_px: Int[Tensor, " frame"]
    sky: Float[Tensor, "frame sky"]


def _block_of(frame: int) -> int:
    # The first latent frame is a single video frame, so the first block is that much shorter.
    return (frame + FRAMES_PER_LATENT - 1) // (BLOCK_LATENTS * FRAMES_PER_LATENT)


def _path(script: Script) -> CameraPath:
    x_px, tilt_px, skies = [0], [0], []
    shown = torch.eye(len(SKIES))
    sky = shown[SKIES.index(script.prompts[0].sky)]
    skies.append(sky)
    for block, prompt in zip(script.blocks, script.prompts, strict=True):
        tilt_goal_px = TILT_PX if block.motion == "gazing" else 0
        sky_goal = shown[SKIES.index(prompt.sky)]
        for step in range(block.num_frames):
            # Only on a walk does the camera move.
            x_px.append(x_px[-1] + SPEED_PX.get(block.motion, 0))
            change_px = tilt_goal_px - tilt_px[-1]
            tilt_px.append(tilt_px[-1] + max(-TILT_SPEED_PX, min(TILT_SPEED_PX, change_px)))
            skies.append(torch.lerp(sky, sky_goal, (step + 1) / block.num_frames))
        sky = sky_goal
    return CameraPath(torch.tensor(x_px), torch.tensor(tilt_px), torch.stack(skies))
