"""Small parts of the transformer: its norm, and the embedding of a noise level."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Root-mean-square norm over all heads together, in float32."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, eps=self.eps).type_as(x) * self.weight


def sinusoid(timestep: float, dim: int) -> Float[Tensor, " dim"]:
    """Return the sinusoidal embedding of a timestep: cosines, then sines; angles in float64."""
    half = dim // 2
    frequencies = 10000.0 ** -(torch.arange(half, dtype=torch.float64) / half)
    angles = timestep * frequencies
    return torch.cat([angles.cos(), angles.sin()]).float()
