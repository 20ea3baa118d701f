"""Videos for the retrieval benchmark, with ground truth for frames that show the same.

Letters: N latent frame, F video frame, H height, W width, C channel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from backbones.tiny.codec import TinyCodec
from backbones.tiny.vae import TEMPORAL_FACTOR
from backbones.world.geometry import camera_x, place_overlap, subject_pose
from backbones.world.grammar import PATTERNS, SHAPES, ScenePrompt
from backbones.world.prompts import make_prompts
from backbones.world.render import render, to_uint8_frames
from backbones.world.scene import SceneBatch, scenes_from_prompts
from harness.core.errors import ConfigError
from methods.encoders.corpus import Corpus

if TYPE_CHECKING:
    from torch import Tensor

_TURN_APART_RAD = math.pi / 12
_HEIGHT_APART_PX = 4.0
# Orientations per full turn at which a shape or pattern looks the same; 0: at any.
_SHAPE_TURNS = {"ball": 0, "box": 4, "kite": 2, "star": 5}
_PATTERN_TURNS = {"plain": 0, "striped": 1, "halved": 1, "ringed": 0}


@dataclass(frozen=True)
class RetrievalVideo:
    """One video to search in.

    Attributes:
        name: name in pictures and tables.
        kind: world, rollouts, shots or pan; results are averaged within a kind.
        latents_NCHW: latent frames.
        frames_NHWC: the last video frame of each latent frame, RGB uint8.
        gains: similarity of each pair of frames (N, N), 0..1, by subject: "place", "pose", "shot"
            or "view"; empty without ground truth.
        prompt: prompt of the embedded world, needed to read keys; None for other videos.
        backbone: label of the backbone that made the video, whose keys are read.
    """

    name: str
    kind: str
    latents_NCHW: Tensor
    frames_NHWC: np.ndarray
    gains: Mapping[str, np.ndarray] = field(default_factory=dict)
    prompt: str | None = None
    backbone: str = "tiny_short"


def world_videos(count: int, num_latents: int, seed: int, codec: TinyCodec) -> list[RetrievalVideo]:
    """Render videos of the embedded world, with exact ground truth.

    Gains: `place`, the share of the screen that two frames have in common; `pose`, 1 where the
    subject has the same height and visible orientation.

    Args:
        count: videos.
        num_latents: latent frames of each.
        seed: seed of the prompts and, plus the index, of the scenes.
        codec: the VAE.
    """
    videos = []
    for index, prompt in enumerate(make_prompts(count, seed)):
        scene = scenes_from_prompts([prompt], [seed + index])
        frames_F = torch.arange(TEMPORAL_FACTOR * (num_latents - 1) + 1)
        video = render(scene, frames_F)
        last_N = frames_F[::TEMPORAL_FACTOR]
        place_NN = place_overlap(camera_x(scene, last_N), camera_x(scene, last_N))[0].numpy()
        videos.append(
            RetrievalVideo(
                name=f"world {index:02d} {prompt}",
                kind="world",
                latents_NCHW=codec.encode(video[0].transpose(0, 1)),
                frames_NHWC=to_uint8_frames(video[:, :, ::TEMPORAL_FACTOR])[0],
                gains={"place": place_NN, "pose": _pose_gains(scene, last_N, prompt)},
                prompt=str(prompt),
            )
        )
    return videos


def _pose_gains(scene: SceneBatch, last_N: Tensor, prompt: ScenePrompt) -> np.ndarray:
    """Return 1 for pairs of frames that show the subject in the same pose, else 0."""
    pose = subject_pose(scene, last_N)
    # A turn is invisible only if shape and pattern both look the same after it: the greatest
    # common divisor; gcd(0, n) is n, so a shape that looks the same at any turn adds nothing.
    turns = math.gcd(_SHAPE_TURNS[prompt.shape], _PATTERN_TURNS[prompt.pattern])
    height_N, angle_N = pose.center_y_px[0].numpy(), pose.rotation_rad[0].numpy()
    same = np.abs(np.subtract.outer(height_N, height_N)) <= _HEIGHT_APART_PX
    if turns:
        period = 2 * math.pi / turns
        apart = np.subtract.outer(angle_N, angle_N) % period
        same &= np.minimum(apart, period - apart) <= _TURN_APART_RAD
    return same.astype(np.float32)


def corpus_videos(corpus: Corpus, codec: TinyCodec) -> list[RetrievalVideo]:
    """Decode the rollouts of a corpus; they have no ground truth.

    Raises:
        ConfigError: latents that are not of the embedded world.
    """
    if corpus.index.latent_shape != codec.latent_shape:
        raise ConfigError(
            f"The benchmark decodes latents of the embedded world {codec.latent_shape}; this "
            f"corpus has {corpus.index.latent_shape}."
        )
    videos = []
    for position, sample in enumerate(corpus.index.samples):
        latents = corpus.read(position)
        videos.append(
            RetrievalVideo(
                name=f"rollout {sample.name} {sample.backbone.partition(' ')[0]} {sample.prompt}",
                kind="rollouts",
                latents_NCHW=latents,
                frames_NHWC=codec.decode(latents)[::TEMPORAL_FACTOR],
                prompt=sample.prompt,
                backbone=sample.backbone,
            )
        )
    return videos


assert set(_SHAPE_TURNS) == set(SHAPES) and set(_PATTERN_TURNS) == set(PATTERNS)
