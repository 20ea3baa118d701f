"""DINO ViT-B/16 (Caron et al., 2021): the subject within a clip."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from eval.clip import Clip
from eval.networks.torch_network import TorchNetwork, batch_size, features, ready
from eval.networks.weights import read_state
from eval.vbench_long.layout import DINO_B16
from eval.vbench_long.networks.transforms import dino_input

if TYPE_CHECKING:
    from torch import nn


class DinoVitB16(TorchNetwork):
    """CLS token after the last norm, (frame, 768), of frames that are not cropped.

    The code is the copy of facebookresearch/dino in the package dreamsim, which interpolates
    positions of other than 14 x 14 patches with the original offset of 0.1.
    """

    name = "dino_vitb16"
    size_mib = 330
    packages = ("torchvision", "dreamsim")
    files = (DINO_B16,)

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        network = ready(load_dino(), device)
        size = batch_size(device, on_cpu=8, on_gpu=32)
        return partial(features, size=size, device=device, prepare=dino_input, network=network)


def load_dino() -> nn.Module:
    """Build DINO with the weights of the layout."""
    from dreamsim.feature_extraction.vision_transformer import vit_base

    network: nn.Module = vit_base(patch_size=16)
    network.load_state_dict(read_state(DINO_B16.path))
    return network


DINO = DinoVitB16()
