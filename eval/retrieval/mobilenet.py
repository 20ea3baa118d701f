"""An image encoder that needs no download: networks of evaluation as descriptors of retrieval."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from eval.networks.features import MOBILENET_V2, FeatureExtractor, onnx_file
from harness.core.errors import LongtakeError
from methods.encoders.base import Source


class MobileNet:
    """MobileNetV2 features of the decoded frame, with the weights of requirements-weights.txt.

    Raises:
        LongtakeError: a checkpoint is given, or the network is not installed (with the command).
    """

    source = Source.frames

    def __init__(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            raise LongtakeError(
                f"descriptor=mobilenet brings its weights; leave method.checkpoint empty: "
                f"{checkpoint!r}."
            )
        self._file = onnx_file(MOBILENET_V2)
        self._extractor: FeatureExtractor | None = None

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        """Any latent shape will do."""

    def embed(self, inputs: UInt8[Tensor, "frame height width 3"]) -> Float[Tensor, "frame 1280"]:
        """See Encoder.embed."""
        if self._extractor is None:
            self._extractor = FeatureExtractor(MOBILENET_V2)
        features = torch.from_numpy(self._extractor(inputs.cpu().numpy()))
        return F.normalize(features.to(inputs.device), dim=-1)

    def fingerprint(self) -> str:
        """See Encoder.fingerprint; the name of the exported file holds the hash of the weights."""
        return self._file.stem
