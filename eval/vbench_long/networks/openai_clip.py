"""OpenAI CLIP (Radford et al., 2021): the background within a clip, and the aesthetic predictor."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from eval.clip import Clip
from eval.networks.torch_network import TorchNetwork, batch_size, features, ready
from eval.networks.weights import LayoutFile, read_state
from eval.vbench_long.layout import AESTHETIC_HEAD, CLIP_B32, CLIP_L14
from eval.vbench_long.networks.transforms import clip_input
from harness.core.torchscript import read_torchscript

if TYPE_CHECKING:
    from torch import Tensor, nn

_UNROUNDED = re.compile(r"ln_|^class_embedding$|^positional_embedding$")


class ClipB32(TorchNetwork):
    """Image embedding of ViT-B/32, (frame, 512)."""

    name = "clip_vitb32"
    size_mib = 340
    packages = ("torchvision", "clip")
    files = (CLIP_B32,)

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        network = ready(load_vision(CLIP_B32, width=768, patch=32), device)
        size = batch_size(device, on_cpu=8, on_gpu=32)
        return partial(features, size=size, device=device, prepare=clip_input, network=network)


class AestheticL14(TorchNetwork):
    """Image embedding of ViT-L/14 followed by LAION's aesthetic score (0..10): (frame, 769)."""

    name = "aesthetic_vitl14"
    size_mib = 1200
    packages = ("torchvision", "clip")
    files = (CLIP_L14, AESTHETIC_HEAD)

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        import torch
        from torch import nn
        from torch.nn import functional

        head = nn.Linear(768, 1)
        head.load_state_dict(read_state(AESTHETIC_HEAD.path))
        ready(head, device)
        vision = ready(load_vision(CLIP_L14, width=1024, patch=14), device)

        def embed_and_rate(images_FCHW: Tensor) -> Tensor:
            embedded_FD = vision(images_FCHW)
            return torch.cat([embedded_FD, head(functional.normalize(embedded_FD, dim=-1))], dim=-1)

        size = batch_size(device, on_cpu=8, on_gpu=32)
        return partial(
            features, size=size, device=device, prepare=clip_input, network=embed_and_rate
        )


def load_vision(file: LayoutFile, width: int, patch: int) -> nn.Module:
    """Load the vision tower of an official TorchScript archive, weights rounded to half precision.

    The official code rounds the weights on every device and computes in half precision on a GPU.
    Here the rounded weights compute in float32 on every device.

    Args:
        file: the archive.
        width: width of the tokens.
        patch: pixels per side of a patch.

    Raises:
        ValueError: it holds another model.
    """
    from clip.model import VisionTransformer

    prefix = "visual."
    stored = read_torchscript(file.path, prefix)
    state = {}
    for key in list(stored):
        # Taken out one by one; otherwise a ViT-L would be in memory twice.
        name, value = key.removeprefix(prefix), stored.pop(key)
        state[name] = (value if _UNROUNDED.search(name) else value.half()).float()
    if "conv1.weight" not in state:
        raise ValueError("no vision tower of CLIP")
    if (found := tuple(state["conv1.weight"].shape)) != (width, 3, patch, patch):
        raise ValueError(f"first convolution {found}, expected {(width, 3, patch, patch)}")
    blocks = {key.split(".")[2] for key in state if key.startswith("transformer.resblocks.")}
    network: nn.Module = VisionTransformer(
        input_resolution=patch * round((state["positional_embedding"].shape[0] - 1) ** 0.5),
        patch_size=patch,
        width=width,
        layers=len(blocks),
        heads=width // 64,
        output_dim=state["proj"].shape[1],
    )
    network.load_state_dict(state, assign=True)
    return network


CLIP_VITB32 = ClipB32()
AESTHETIC_VITL14 = AestheticL14()
