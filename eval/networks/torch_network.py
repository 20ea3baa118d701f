"""What the torch networks share: looking for packages and weights, loading, frames as tensors."""

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
from harness.core.tensor_files import loading_tensors
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
        packages: import names of what has to be installed.
        files: the weights.
    """

    name: str
    size_mib: int
    packages: tuple[str, ...]
    files: tuple[LayoutFile, ...]
    version: int = 1
    reads_prompt: bool = False

    def check(self) -> None:
        """Look for packages and weights.

        Raises:
            MetricUnavailable: one is missing, with what to do.
        """
        for package in self.packages:
            if not _installed(package):
                raise MetricUnavailable(f"{package} is not installed; install it with: {INSTALL}")
        check_files(self.files, self._named)

    @property
    def _named(self) -> str:
        return f"{self.name} v{self.version}"

    def key(self, device: str) -> str:
        """Name, version, digests of the weights, and whether a GPU computes."""
        digests = "-".join(file_sha256(file.path)[:12] for file in self.files)
        return f"{self._named} {digests} {device.partition(':')[0]}"

    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        """Load the network.

        Raises:
            MetricUnavailable: something is missing, or the weights belong to another network.
        """
        import torch

        self.check()
        with without_side_effects():
            runner = load_weights(self.files, lambda: self.build(device), self._named)

        def run(clip: Clip) -> np.ndarray:
            with torch.inference_mode():
                return np.asarray(runner(clip))

        return run

    @abstractmethod
    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        """Import the package, read the weights, return what runs on a clip."""


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ValueError, ModuleNotFoundError):
        return False


@contextmanager
def without_side_effects() -> Iterator[None]:
    """Undo what importing the packages does to logging, and leave out random initialisation.

    Filling hundreds of millions of weights with random numbers that are then overwritten takes
    longer than reading them.
    """
    from torch.nn import init
    from torch.nn.modules import activation

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    names = [name for name in vars(init) if name.endswith("_") and not name.startswith("_")]
    # Attention has imported some of them under names of its own.
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


def read_state(file: LayoutFile) -> Any:
    """The tensors of a .pth file, mapped into memory rather than read where its format allows."""
    import torch

    load = loading_tensors(torch.load)
    try:
        return load(file.path, map_location="cpu", mmap=True)
    except RuntimeError as error:
        if "mmap" not in str(error):
            raise
        return load(file.path, map_location="cpu")


def ready(module: nn.Module, device: str) -> nn.Module:
    """In evaluation mode, without gradients, on the device."""
    return module.eval().requires_grad_(False).to(device)


def batches(
    clip: Clip, size: int, device: str, indices: slice | list[int] | None = None
) -> Iterator[Tensor]:
    """Frames of a clip as float tensors (frame, 3, height, width), 0..255, a few at a time."""
    import torch

    frames_FHWC = clip.frames_FHWC if indices is None else clip.frames_FHWC[indices]
    for start in range(0, len(frames_FHWC), size):
        part = torch.from_numpy(frames_FHWC[start : start + size]).to(device)
        yield part.permute(0, 3, 1, 2).float()


def batch_size(device: str, on_processor: int, on_gpu: int) -> int:
    """Frames per forward pass."""
    return on_processor if device == "cpu" else on_gpu


def features(
    clip: Clip, size: int, device: str, prepare: Callable[[Tensor], Tensor], network: Any
) -> np.ndarray:
    """Features (frame, dim), float32, of all frames."""
    import torch

    parts = [network(prepare(frames_FCHW)).float() for frames_FCHW in batches(clip, size, device)]
    output: np.ndarray = torch.cat(parts).cpu().numpy()
    return output
