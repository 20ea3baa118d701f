"""Ways to spoil a video, with a strength from 0 (untouched) to 1: what metrics are tested with."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from eval.video.split import CLIP_SECONDS

# frames (frame, height, width, 3) uint8, those of another video, strength, fps -> frames
Degradation = Callable[[np.ndarray, np.ndarray, float, int], np.ndarray]


def blur(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Gaussian blur, up to 4 pixels, everywhere."""
    if strength == 0:
        return frames
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 4 * strength) for frame in frames])


def growing_blur(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Blur that sets in slowly: none at the start, up to 4 pixels at the end."""
    sigmas = 4 * strength * np.linspace(0, 1, len(frames))
    return np.stack(
        [
            cv2.GaussianBlur(frame, (0, 0), sigma) if sigma > 0.1 else frame
            for frame, sigma in zip(frames, sigmas, strict=True)
        ]
    )


def noise(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Gaussian noise of its own in every frame, up to a deviation of 40 of 255."""
    generator = np.random.default_rng(0)
    grain = generator.normal(0, 40 * strength, frames.shape)
    return np.clip(frames + grain, 0, 255).astype(np.uint8)


def color_drift(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Red grows and blue fades over time, by up to 60 % at the end."""
    share = strength * np.linspace(0, 0.6, len(frames))[:, None, None, None]
    gain = np.concatenate([1 + share, np.ones_like(share), 1 - share], axis=-1)
    return np.clip(frames * gain, 0, 255).astype(np.uint8)


def freeze(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """The last part stands still; all of it at full strength."""
    last = round((len(frames) - 1) * (1 - strength))
    return frames[np.minimum(np.arange(len(frames)), last)]


def swap(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """From half time on another video shows through; alone at full strength."""
    half = len(frames) // 2
    mixed = (1 - strength) * frames[half:] + strength * other[half : len(frames)]
    return np.concatenate([frames[:half], mixed.round().astype(np.uint8)])


def cuts(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """Pieces of another video, half a second each; every other half second at full strength."""
    cut = frames.copy()
    piece = max(1, fps // 2)
    starts = range(piece, len(frames), 2 * piece)
    for start in list(starts)[: round(strength * len(starts))]:
        cut[start : start + piece] = other[start : min(start + piece, len(frames))]
    return cut


def shuffled_clips(frames: np.ndarray, other: np.ndarray, strength: float, fps: int) -> np.ndarray:
    """The first two-second clips move round by one place; all of them at full strength."""
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
