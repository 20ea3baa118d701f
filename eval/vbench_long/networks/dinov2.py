"""DINOv2 ViT-B/14 (Oquab et al., 2023): the subject from clip to clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from eval.clip import Clip
from eval.networks.torch_network import TorchNetwork, batch_size, features, ready
from eval.networks.weights import read_state
from eval.vbench_long.layout import DINOV2_B14
from eval.vbench_long.networks.transforms import dinov2_input

if TYPE_CHECKING:
    from torch import Tensor, nn

# Patches per side: of the weights (518 pixels), and of the frames (224 pixels).
_TRAINED, _SHOWN = 37, 16


class DinoV2VitB14(TorchNetwork):
    """CLS token after the last norm, (frame, 768)."""

    name = "dinov2_vitb14"
    size_mib = 330
    packages = ("torchvision", "timm")
    files = (DINOV2_B14,)

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        network = ready(create(read_state(DINOV2_B14.path)), device)
        size = batch_size(device, on_cpu=4, on_gpu=32)
        return partial(features, size=size, device=device, prepare=dinov2_input, network=network)


def create(state: Mapping[str, Tensor]) -> nn.Module:
    """Build the network for images of 224 x 224 with the tensors of the official file."""
    import timm

    fitting = {key: value for key, value in state.items() if key != "mask_token"}
    fitting["pos_embed"] = shown_positions(state["pos_embed"])
    network: nn.Module = timm.create_model(
        "vit_base_patch14_dinov2", pretrained=False, num_classes=0, img_size=14 * _SHOWN
    )
    network.load_state_dict(fitting)
    return network


def shown_positions(positions_1ND: Tensor) -> Tensor:
    """Interpolate position embeddings to 16 x 16 patches as facebookresearch/dinov2 does.

    Its scale factor has an offset of 0.1 patch, which differs from a plain resize to 16 x 16.
    """
    import torch
    from torch.nn import functional

    grid_1DHW = positions_1ND[:, 1:].float().reshape(1, _TRAINED, _TRAINED, -1).permute(0, 3, 1, 2)
    scale = float(_SHOWN + 0.1) / _TRAINED
    resized = functional.interpolate(grid_1DHW, scale_factor=(scale, scale), mode="bicubic")
    assert resized.shape[-2:] == (_SHOWN, _SHOWN)
    flat_1ND = resized.permute(0, 2, 3, 1).reshape(1, _SHOWN**2, -1)
    return torch.cat([positions_1ND[:, :1].float(), flat_1ND], dim=1)


DINOV2 = DinoV2VitB14()
