"""Synthetic scenes, and videos made of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from eval.metric import Clip, ClipMeasure, Metric, Network, Outputs, networks_of
from eval.networks.image_features import EFFICIENTNET_LITE0, MOBILENET_V2

FPS = 16


class Scene:
    """A camera pans over a random landscape while an object circles in the middle.

    Scenes of even and odd seeds differ: a rough landscape with a disc, a tiled one with a bar.
    """

    def __init__(self, seed: int = 0, height: int = 96, width: int = 128) -> None:
        self.height, self.width = height, width
        self._generator = np.random.default_rng(seed)
        self._tiled = seed % 2 == 1
        size = height + 40, width + 400
        self._land = self._tiles(size) if self._tiled else self._hills(size)
        self._color = tuple(int(value) for value in self._generator.integers(0, 256, 3))

    def frame(self, time: int, shift_px: int = 0) -> np.ndarray:
        x = int(150 + 140 * np.sin(time / 40)) + shift_px
        y = int(20 + 19 * np.cos(time / 25))
        frame = self._land[y : y + self.height, x : x + self.width].copy()
        center = (int(self.width / 2 + self.width / 5 * np.cos(time / 9)), self.height // 2)
        if self._tiled:
            corner = (center[0] + 8, 0)
            cv2.rectangle(frame, (center[0] - 8, self.height), corner, self._color, -1)
        else:
            cv2.circle(frame, center, self.height // 6, self._color, -1)
        return frame

    def frames(self, num_frames: int) -> np.ndarray:
        return np.stack([self.frame(time) for time in range(num_frames)])

    def _hills(self, size: tuple[int, int]) -> np.ndarray:
        noise = self._generator.random((*size, 3)).astype(np.float32)
        blurred = cv2.GaussianBlur(noise, (0, 0), 3)
        return cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)

    def _tiles(self, size: tuple[int, int]) -> np.ndarray:
        y, x = np.indices(size) // 12
        colors = self._generator.integers(0, 256, (2, 3))
        return colors[(x + y) % 2].astype(np.uint8)


def encode(path: Path, frames_FHWC: np.ndarray, fps: int) -> Path:
    """Write frames without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=fps)
        stream.pix_fmt, stream.options = "rgb24", {"crf": "0", "preset": "ultrafast"}
        stream.height, stream.width = frames_FHWC.shape[1:3]
        for image in frames_FHWC:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def run_networks(networks: Iterable[Network], clip: Clip) -> Outputs:
    """Load and run networks, as the scorer does, but on the CPU and without a cache."""
    return Outputs({network.name: network.load("cpu")(clip) for network in networks})


def measure_clip(metric: Metric, clip: Clip) -> ClipMeasure:
    """Measure a clip after running the networks that the metric declares."""
    networks = networks_of(metric)
    return metric.measure(clip, run_networks(networks, clip)) if networks else metric.measure(clip)


@pytest.fixture
def make_scene() -> type[Scene]:
    return Scene


@pytest.fixture
def write_video(tmp_path: Path) -> Callable[..., Path]:
    def write(frames_FHWC: np.ndarray, name: str = "video.mp4", fps: int = FPS) -> Path:
        return encode(tmp_path / name, frames_FHWC, fps)

    return write


@pytest.fixture(scope="session")
def _session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def networks(_session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide the feature networks, exported once per session; fail if they are not installed."""
    for network in (EFFICIENTNET_LITE0, MOBILENET_V2):
        for module in (network.weights_module, network.code_module):
            if importlib.util.find_spec(module) is None:
                pytest.fail(str(network.missing()))
    monkeypatch.setenv("LONGTAKE_CACHE", str(_session_cache))
