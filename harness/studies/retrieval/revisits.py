"""Real footage with known revisits: the shots of a video, and a pan over a photograph.

Letters: N latent frame, F video frame, H height, W width, C channel.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from backbones.street.encoder import load_encoder
from backbones.street.vae import TEMPORAL_FACTOR
from backbones.world.street.actors import SIDE_PX
from eval.video.decode import read_frames
from harness.core.errors import ConfigError
from harness.studies.retrieval.videos import RetrievalVideo

_SIZE_PX = SIDE_PX  # of the street, whose encoder takes the footage
_CUT_DISTANCE = 0.5  # L1 distance of color histograms, 0..2
_FEWEST_SHOT_LATENTS = 3


def shots_video(path: Path) -> RetrievalVideo:
    """Reorder the shots of a video: all first halves, then all second halves.

    So every shot returns after all the others. Gain `shot`: 1 for frames of the same shot. Cuts
    are found by jumps of the color histogram.

    Raises:
        LongtakeError: the file cannot be read.
        ConfigError: it has fewer than two shots that are long enough.
    """
    frames = [_fit(frame) for frame in read_frames(path)]
    borders = [0, *_cuts(frames), len(frames)]
    least = 2 * _FEWEST_SHOT_LATENTS * TEMPORAL_FACTOR
    shots = [(a, b) for a, b in itertools.pairwise(borders) if b - a >= least]
    if len(shots) < 2:
        raise ConfigError(
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
    )


def panned_photo(path: Path, num_latents: int) -> RetrievalVideo:
    """Pan over a photograph, back and forth twice, so that every view returns.

    Gain `view`: the share of the view that two frames have in common.

    Raises:
        ConfigError: the file is not a picture.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ConfigError(f"photo={path}: can't be read as a picture.")
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    scale = 1.5 * _SIZE_PX / min(picture.shape[:2])
    height, width = (round(side * scale) for side in picture.shape[:2])
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    num_frames = TEMPORAL_FACTOR * (num_latents - 1) + 1
    phase_F = np.arange(num_frames) / num_frames * 2
    swing_F = 1 - np.abs(2 * (phase_F % 1) - 1)  # 0 to 1 and back, twice
    left_F = swing_F * (width - _SIZE_PX)
    top_F = (0.5 - 0.5 * np.cos(2 * math.pi * swing_F)) * (height - _SIZE_PX)
    frames = []
    for left, top in zip(left_F, top_F, strict=True):
        shift = np.array([[1, 0, -left], [0, 1, -top]], dtype=np.float32)
        frames.append(cv2.warpAffine(picture, shift, (_SIZE_PX, _SIZE_PX), flags=cv2.INTER_LINEAR))
    shared = [
        (1 - np.abs(np.subtract.outer(x, x)) / _SIZE_PX).clip(0)
        for x in (left_F[::TEMPORAL_FACTOR], top_F[::TEMPORAL_FACTOR])
    ]
    view_NN = (shared[0] * shared[1]).astype(np.float32)
    return _from_frames(frames, path.name, "pan", {"view": view_NN})


def _from_frames(
    frames: Sequence[np.ndarray],
    name: str,
    kind: str,
    gains: Mapping[str, np.ndarray],
) -> RetrievalVideo:
    video = np.stack(frames)
    normal = torch.from_numpy(video).permute(0, 3, 1, 2).float() / 127.5 - 1
    return RetrievalVideo(name, kind, load_encoder()(normal), video[::TEMPORAL_FACTOR], gains)


def _whole(num_frames: int) -> int:
    """Return the largest number of frames, at most `num_frames`, that encodes to whole latents."""
    return (num_frames - 1) // TEMPORAL_FACTOR * TEMPORAL_FACTOR + 1


def _fit(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (_SIZE_PX, _SIZE_PX), interpolation=cv2.INTER_AREA)


def _cuts(frames: Sequence[np.ndarray]) -> list[int]:
    """Return the first frames of all shots but the first."""
    histograms = []
    for frame in frames:
        histogram = cv2.calcHist([frame], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).flatten()
        histograms.append(histogram / histogram.sum())
    jumps = [np.abs(b - a).sum() for a, b in itertools.pairwise(histograms)]
    return [index + 1 for index, jump in enumerate(jumps) if jump > _CUT_DISTANCE]
