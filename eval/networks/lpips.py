"""LPIPS 0.1 with AlexNet (Zhang et al., 2018): how different two frames look.

The weights are those of the package `lpips`: torchvision's AlexNet, and one linear layer for each
of its five stages. The package itself is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from eval.clip import Clip
from eval.errors import MetricUnavailable
from eval.networks.torch_network import TorchNetwork, ready
from eval.networks.weights import LayoutFile, read_state

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

ALEXNET = LayoutFile(
    "pytorch/vision",
    "torch/hub/checkpoints/alexnet-owt-7be5be79.pth",
    "BSD-3-Clause",
    address="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    suite="fidelity",
)
LINEAR = LayoutFile(
    "richzhang/PerceptualSimilarity",
    "lpips/weights/v0.1/alex.pth",
    "BSD-2-Clause",
    address="https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/"
    "weights/v0.1/alex.pth",
    suite="fidelity",
)
SMALLEST_PX = 31
"""Smaller frames leave nothing for AlexNet's third stage."""
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
# Index in AlexNet's `features`, channels in and out, kernel, stride, padding.
_CONVOLUTIONS = (
    (0, 3, 64, 11, 4, 2),
    (3, 64, 192, 5, 1, 2),
    (6, 192, 384, 3, 1, 1),
    (8, 384, 256, 3, 1, 1),
    (10, 256, 256, 3, 1, 1),
)
_POOLED_BEFORE = (3, 6)


class Lpips(TorchNetwork):
    """Distance of the two frames of a clip, 0 for equal ones: (1,)."""

    name = "lpips_alex"
    size_mib = 10
    packages = ()
    files = (ALEXNET, LINEAR)

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        import torch
        from torch import nn

        alexnet, linear = read_state(ALEXNET.path), read_state(LINEAR.path)
        convolutions = nn.ModuleDict()
        for index, num_in, num_out, kernel, stride, padding in _CONVOLUTIONS:
            of_stage = nn.Conv2d(num_in, num_out, kernel, stride, padding)
            of_stage.load_state_dict(
                {key: alexnet[f"features.{index}.{key}"] for key in ("weight", "bias")}
            )
            convolutions[str(index)] = of_stage
        ready(convolutions, device)
        stages = {int(index): module for index, module in convolutions.items()}
        weights = [
            linear[f"lin{stage}.model.1.weight"].reshape(1, -1, 1, 1).to(device)
            for stage in range(len(stages))
        ]
        shift, scale = (torch.tensor(v).view(1, 3, 1, 1).to(device) for v in (_SHIFT, _SCALE))

        def distance(clip: Clip) -> np.ndarray:
            frames_FHWC = clip.frames_FHWC
            if len(frames_FHWC) != 2 or min(frames_FHWC.shape[1:3]) < SMALLEST_PX:
                raise MetricUnavailable(f"LPIPS needs two frames of at least {SMALLEST_PX} px")
            frames_FCHW = torch.from_numpy(frames_FHWC).to(device).permute(0, 3, 1, 2).float()
            frames_FCHW = (frames_FCHW / 127.5 - 1 - shift) / scale
            total = sum(
                (weight * (ours - theirs).square()).sum(dim=1).mean()
                for weight, (ours, theirs) in zip(
                    weights, _features(stages, frames_FCHW), strict=True
                )
            )
            return np.array([float(total)])

        return distance


def _features(
    stages: Mapping[int, Callable[[Tensor], Tensor]], frames_FCHW: Float[Tensor, "2 3 height width"]
) -> list[Float[Tensor, "2 chan h w"]]:
    """Return the features of each stage, unit vectors over channels."""
    from torch.nn import functional

    found = []
    for index, convolution in stages.items():
        if index in _POOLED_BEFORE:
            frames_FCHW = functional.max_pool2d(frames_FCHW, 3, 2)
        frames_FCHW = functional.relu(convolution(frames_FCHW))
        found.append(frames_FCHW / (frames_FCHW.square().sum(1, keepdim=True).sqrt() + 1e-10))
    return found


LPIPS = Lpips()
