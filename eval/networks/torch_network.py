"""Base of the torch networks: check packages and weights, load, turn frames into tensors."""

from __future__ import annotations

import importlib.util
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.clip import Clip
from eval.errors import MetricUnavailable
from eval.networks.weights import LayoutFile, check_files, load_weights
from harness.core.weights_files import file_sha256

if TYPE_CHECKING:
    from torch import Tensor, nn

INSTALL = 'pip install ".[vbench]" in an environment of its own (docs/metrics.md)'
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
OPENAI_CLIP = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)


class TorchNetwork(ABC):
    """A network of an installed package, with weights of the official layout.

    Attributes:
        name: unique.
        size_mib: float32 weights, about.
        version: raise when the code around the network changes its output.
        packages: import names of the packages it needs.
        files: the weights.
    """

    name: str
    size_mib: int
    packages: tuple[str, ...]
    files: tuple[LayoutFile, ...]
    version: int = 1
    reads_prompt: bool = False
    reads_before: bool = False

    def check(self) -> None:
        """Check that packages and weights are here.

        Raises:
            MetricUnavailable: one is missing; the text says how to get it.
        """
        for package in self.packages:
            if not _installed(package):
                raise MetricUnavailable(f"{package} is not installed; install it with: {INSTALL}")
        check_files(self.files, self._named)

    @property
    def _named(self) -> str:
        return f"{self.name} v{self.version}"

    def key(self, device: str) -> str:
        """Return name, version, digests of the weights and kind of device."""
        digests = "-".join(file_sha256(file.path)[:12] for file in self.files)
        return f"{self._named} {digests} {device.partition(':')[0]}"

    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        """Load the network.

        Raises:
            MetricUnavailable: something is missing, or the weights belong to another network.
        """
        import torch

        from harness.core.determinism import full_float32

        self.check()
        with without_side_effects():
            runner = self._loaded(device)

        def run(clip: Clip) -> np.ndarray:
            with torch.inference_mode(), full_float32():
                return np.asarray(runner(clip))

        return run

    def _loaded(self, device: str) -> Callable[[Clip], np.ndarray]:
        """Build the network on a device.

        Whether a failure on a GPU is the fault of the weights is found out on the CPU.
        """
        if device != "cpu":
            try:
                return self.build(device)
            except Exception:
                load_weights(self.files, lambda: self.build("cpu"), self._named)
                raise
        return load_weights(self.files, lambda: self.build("cpu"), self._named)

    @abstractmethod
    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        """Import the package, read the weights and return the function that runs on a clip."""


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ValueError, ModuleNotFoundError):
        return False


@contextmanager
def without_side_effects() -> Iterator[None]:
    """Protect logging from the imported packages, and skip random initialisation of weights.

    Filling hundreds of millions of weights with random numbers, which are overwritten at once,
    takes longer than reading them.
    """
    from torch.nn import init
    from torch.nn.modules import activation

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    names = [name for name in vars(init) if name.endswith("_") and not name.startswith("_")]
    # torch's attention module imports some of them by name, so they are replaced there too.
    places = [(m, name) for m in (init, activation) for name in names if hasattr(m, name)]
    functions = [(module, name, getattr(module, name)) for module, name in places]

    def nothing(tensor: Any, *_: Any, **__: Any) -> Any:
        return tensor

    try:
        for module, name in places:
            setattr(module, name, nothing)
        yield
    finally:
        for module, name, function in functions:
            setattr(module, name, function)
        root.handlers[:], root.level = handlers, level


def ready(module: nn.Module, device: str) -> nn.Module:
    """Put a module on the device, in evaluation mode and without gradients."""
    return module.eval().requires_grad_(False).to(device)


def batches(clip: Clip, size: int, device: str) -> Iterator[Tensor]:
    """Yield `size` frames of a clip at a time as floats (frame, 3, height, width), 0..255."""
    import torch

    for start in range(0, len(clip.frames_FHWC), size):
        part = torch.from_numpy(clip.frames_FHWC[start : start + size]).to(device)
        yield part.permute(0, 3, 1, 2).float()


def batch_size(device: str, on_cpu: int, on_gpu: int) -> int:
    """Return the number of frames per forward pass."""
    return on_cpu if device == "cpu" else on_gpu


def features(
    clip: Clip, size: int, device: str, prepare: Callable[[Tensor], Tensor], network: Any
) -> np.ndarray:
    """Return features (frame, dim), float32, of all frames."""
    import torch

    parts = [network(prepare(frames_FCHW)).float() for frames_FCHW in batches(clip, size, device)]
    output: np.ndarray = torch.cat(parts).cpu().numpy()
    return output
