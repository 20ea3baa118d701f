"""The descriptor `mobilenet`: an image network of the metrics as an encoder for retrieval."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from eval.networks.image_features import MOBILENET_V2, FeatureExtractor, onnx_file
from harness.core.errors import ConfigError
from methods.encoders.base import Source


class MobileNet:
    """MobileNetV2 features of the decoded frame, with the weights of requirements-weights.txt.

    Raises:
        ConfigError: a checkpoint is given.
        LongtakeError: the network is not installed; names the command that installs it.
    """

    source = Source.frames

    def __init__(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            raise ConfigError(
                f"descriptor=mobilenet has its own weights; leave method.checkpoint empty: "
                f"{checkpoint!r}."
            )
        self._file = onnx_file(MOBILENET_V2)
        self._extractor: FeatureExtractor | None = None

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        """Accept any latent shape; only decoded frames are read."""

    def embed(self, inputs: UInt8[Tensor, "frame height width 3"]) -> Float[Tensor, "frame 1280"]:
        """Return features of unit length."""
        if self._extractor is None:
            self._extractor = FeatureExtractor(MOBILENET_V2)
        features = torch.from_numpy(self._extractor(inputs.cpu().numpy()))
        return F.normalize(features.to(inputs.device), dim=-1)

    def fingerprint(self) -> str:
        """Return the name of the exported file, which contains the hash of the weights."""
        return self._file.stem
