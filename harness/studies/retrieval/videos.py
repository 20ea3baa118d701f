"""Videos for the retrieval benchmark, with what is known of which frames show the same.

Letters: N latent frame, F video frame, H height, W width, C channel.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from backbones.tiny.codec import TinyCodec
from backbones.tiny.vae import TEMPORAL_FACTOR
from backbones.world.geometry import camera_x, place_overlap, subject_pose
from backbones.world.grammar import PATTERNS, SHAPES, ScenePrompt
from backbones.world.prompts import make_prompts
from backbones.world.render import render, to_uint8_frames
from backbones.world.scene import SceneBatch, scenes_from_prompts
from eval.video.decode import read_frames
from harness.core.errors import LongtakeError
from methods.encoders.corpus import Corpus

if TYPE_CHECKING:
    from torch import Tensor

SIZE_PX = 128  # of the embedded world, whose VAE makes all latents here
_TURN_APART_RAD = math.pi / 12
_HEIGHT_APART_PX = 4.0
# How often a turning shape or pattern looks the same per turn; 0: always.
_SHAPE_TURNS = {"ball": 0, "box": 4, "kite": 2, "star": 5}
_PATTERN_TURNS = {"plain": 0, "striped": 1, "halved": 1, "ringed": 0}
_CUT_DISTANCE = 0.5  # of color histograms, 0..2
_FEWEST_SHOT_LATENTS = 3


@dataclass(frozen=True)
class RetrievalVideo:
    """One video to search in.

    Attributes:
        name: for pictures and tables.
        kind: world, rollouts, shots or pan; results are averaged within a kind.
        latents_NCHW: latent frames.
        frames_NHWC: the last video frame of each latent frame, RGB uint8.
        gains: what frames have in common (0..1), (N, N), by what it is about; empty when nothing is
            known.
        prompt: of the embedded world, or None; needed for the backbone's own keys.
        backbone: label of the backbone whose keys are meant: the one that made the video.
    """

    name: str
    kind: str
    latents_NCHW: Tensor
    frames_NHWC: np.ndarray
    gains: Mapping[str, np.ndarray] = field(default_factory=dict)
    prompt: str | None = None
    backbone: str = "tiny_short"


def world_videos(count: int, num_latents: int, seed: int, codec: TinyCodec) -> list[RetrievalVideo]:
    """Rendered videos of the embedded world, whose ground truth is exact.

    Gains: `place`, the share of the screen that two frames have in common; `pose`, 1 where the
    subject has the same height and turn, as far as its symmetry lets one see.
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
    pose = subject_pose(scene, last_N)
    turns = math.gcd(_SHAPE_TURNS[prompt.shape], _PATTERN_TURNS[prompt.pattern])
    height_N, angle_N = pose.center_y_px[0].numpy(), pose.rotation_rad[0].numpy()
    same = np.abs(np.subtract.outer(height_N, height_N)) <= _HEIGHT_APART_PX
    if turns:
        period = 2 * math.pi / turns
        apart = np.subtract.outer(angle_N, angle_N) % period
        same &= np.minimum(apart, period - apart) <= _TURN_APART_RAD
    return same.astype(np.float32)


def corpus_videos(corpus: Corpus, codec: TinyCodec) -> list[RetrievalVideo]:
    """Rollouts; what their frames have in common is not known."""
    if corpus.index.latent_shape != codec.latent_shape:
        raise LongtakeError(
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


def shots_video(path: Path, codec: TinyCodec) -> RetrievalVideo:
    """A video of several shots with a known revisit: all first halves, then all second halves.

    Gain `shot`: 1 for frames of the same shot. Cuts are found by the jump of the color histogram.

    Raises:
        LongtakeError: the file can't be read, or has fewer than two long enough shots.
    """
    frames = [_fit(frame) for frame in read_frames(path)]
    borders = [0, *_cuts(frames), len(frames)]
    least = 2 * _FEWEST_SHOT_LATENTS * TEMPORAL_FACTOR
    shots = [(a, b) for a, b in itertools.pairwise(borders) if b - a >= least]
    if len(shots) < 2:
        raise LongtakeError(
            f"{path}: found {len(shots)} shots of at least {least} frames; a revisit needs two."
        )
    order: list[int] = []
    shot_of: list[int] = []
    for half in (0, 1):
        for number, (start, stop) in enumerate(shots):
            length = (stop - start) // 2 // TEMPORAL_FACTOR * TEMPORAL_FACTOR
            first = start + half * length
            order += range(first, first + length)
            shot_of += [number] * length
    order, shot_of = order[: _whole(len(order))], shot_of[: _whole(len(shot_of))]
    shot_N = np.array(shot_of[::TEMPORAL_FACTOR])
    return _from_frames(
        [frames[index] for index in order],
        f"{path.name} ({len(shots)} shots)",
        "shots",
        {"shot": (shot_N[:, None] == shot_N).astype(np.float32)},
        codec,
    )


def panned_photo(path: Path, num_latents: int, codec: TinyCodec) -> RetrievalVideo:
    """A photograph under a camera that goes to and fro twice: every view comes back.

    Gain `view`: the share of the view that two frames have in common.

    Raises:
        LongtakeError: the file is no picture.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise LongtakeError(f"photo={path}: can't be read as a picture.")
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    scale = 1.5 * SIZE_PX / min(picture.shape[:2])
    height, width = (round(side * scale) for side in picture.shape[:2])
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    num_frames = TEMPORAL_FACTOR * (num_latents - 1) + 1
    phase_F = np.arange(num_frames) / num_frames * 2
    swing_F = 1 - np.abs(2 * (phase_F % 1) - 1)  # 0 to 1 and back, twice
    left_F = swing_F * (width - SIZE_PX)
    top_F = (0.5 - 0.5 * np.cos(2 * math.pi * swing_F)) * (height - SIZE_PX)
    frames = []
    for left, top in zip(left_F, top_F, strict=True):
        shift = np.array([[1, 0, -left], [0, 1, -top]], dtype=np.float32)
        frames.append(cv2.warpAffine(picture, shift, (SIZE_PX, SIZE_PX), flags=cv2.INTER_LINEAR))
    shared = [
        (1 - np.abs(np.subtract.outer(x, x)) / SIZE_PX).clip(0)
        for x in (left_F[::TEMPORAL_FACTOR], top_F[::TEMPORAL_FACTOR])
    ]
    view_NN = (shared[0] * shared[1]).astype(np.float32)
    return _from_frames(frames, path.name, "pan", {"view": view_NN}, codec)


def _from_frames(
    frames: Sequence[np.ndarray],
    name: str,
    kind: str,
    gains: Mapping[str, np.ndarray],
    codec: TinyCodec,
) -> RetrievalVideo:
    video = np.stack(frames)
    normal = torch.from_numpy(video).permute(0, 3, 1, 2).float() / 127.5 - 1
    return RetrievalVideo(name, kind, codec.encode(normal), video[::TEMPORAL_FACTOR], gains)


def _whole(num_frames: int) -> int:
    """The most frames that make whole latent frames."""
    return (num_frames - 1) // TEMPORAL_FACTOR * TEMPORAL_FACTOR + 1


def _fit(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)


def _cuts(frames: Sequence[np.ndarray]) -> list[int]:
    """First frames of new shots."""
    histograms = []
    for frame in frames:
        histogram = cv2.calcHist([frame], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).flatten()
        histograms.append(histogram / histogram.sum())
    jumps = [np.abs(b - a).sum() for a, b in itertools.pairwise(histograms)]
    return [index + 1 for index, jump in enumerate(jumps) if jump > _CUT_DISTANCE]


assert set(_SHAPE_TURNS) == set(SHAPES) and set(_PATTERN_TURNS) == set(PATTERNS)
