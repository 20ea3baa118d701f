"""Degradations of a video with a strength from 0 (none) to 1, to test metrics with."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from eval.video.split import CLIP_SECONDS

# frames (frame, height, width, 3) uint8, those of another video, strength, fps -> frames
Degradation = Callable[[np.ndarray, np.ndarray, float, int], np.ndarray]


def blur(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Blur all frames with a Gaussian of up to 4 pixels."""
    if strength == 0:
        return frames
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 4 * strength) for frame in frames])


def growing_blur(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Blur increasingly: not at the start, by up to 4 pixels at the end."""
    sigmas = 4 * strength * np.linspace(0, 1, len(frames))
    return np.stack(
        [
            cv2.GaussianBlur(frame, (0, 0), sigma) if sigma > 0.1 else frame
            for frame, sigma in zip(frames, sigmas, strict=True)
        ]
    )


def noise(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Add independent Gaussian noise to every frame, with a deviation of up to 40 of 255."""
    generator = np.random.default_rng(0)
    grain = generator.normal(0, 40 * strength, frames.shape)
    return np.clip(frames + grain, 0, 255).astype(np.uint8)


def color_drift(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Increase red and decrease blue over time, by up to 60 % at the end."""
    share = strength * np.linspace(0, 0.6, len(frames))[:, None, None, None]
    gain = np.concatenate([1 + share, np.ones_like(share), 1 - share], axis=-1)
    return np.clip(frames * gain, 0, 255).astype(np.uint8)


def freeze(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Freeze the last part of the video, at full strength all of it."""
    last = round((len(frames) - 1) * (1 - strength))
    return frames[np.minimum(np.arange(len(frames)), last)]


def swap(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Blend another video into the second half, at full strength replacing it."""
    half = len(frames) // 2
    mixed = (1 - strength) * frames[half:] + strength * other[half : len(frames)]
    return np.concatenate([frames[:half], mixed.round().astype(np.uint8)])


def cuts(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Insert half-second pieces of another video, at full strength every other half second."""
    cut = frames.copy()
    piece = max(1, fps // 2)
    starts = range(piece, len(frames), 2 * piece)
    for start in list(starts)[: round(strength * len(starts))]:
        cut[start : start + piece] = other[start : min(start + piece, len(frames))]
    return cut


def shuffled_clips(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Rotate the first two-second clips by one place, at full strength all of them."""
    length = CLIP_SECONDS * fps
    clips = [frames[start : start + length] for start in range(0, len(frames), length)]
    moved = max(1, round(strength * len(clips)))
    return np.concatenate([*clips[1:moved], clips[0], *clips[moved:]])


DEGRADATIONS: dict[str, Degradation] = {
    "blur": blur,
    "growing blur": growing_blur,
    "noise": noise,
    "colour drift": color_drift,
    "freeze": freeze,
    "identity swap": swap,
    "cuts": cuts,
    "shuffled clips": shuffled_clips,
}
