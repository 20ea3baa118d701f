"""Layers of the Wan VAE, for one video whose frames arrive a few at a time.

A video is a stack of frames without a batch axis, in channels-last memory.

Letters: F frame, C channel, H row, W column, S position (row and column).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from backbones.wan.vae.causal import CausalConv3d, pointwise

if TYPE_CHECKING:
    from torch import Tensor

    from backbones.wan.vae.causal import CausalMemory


class RMSNorm(nn.Module):
    """Root-mean-square norm over the channels, in float32; zeros stay zeros."""

    def __init__(self, dim: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim, *shape))

    def forward(self, x_FCHW: Tensor) -> Tensor:
        gamma_C = self.gamma.flatten()
        x_FHWC = x_FCHW.permute(0, 2, 3, 1)
        return F.rms_norm(x_FHWC, gamma_C.shape, gamma_C, eps=1e-24).permute(0, 3, 1, 2)


class NormConv(nn.ModuleList):
    """Norm, SiLU and a causal convolution; further ones may follow, as in the weights file."""

    def forward(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        for layer in self:
            x_FCHW = layer(x_FCHW, memory) if isinstance(layer, CausalConv3d) else layer(x_FCHW)
        return x_FCHW


def causal_3x3x3(in_dim: int, out_dim: int) -> CausalConv3d:
    """Build the convolution that most layers use."""
    return CausalConv3d(in_dim, out_dim, (3, 3, 3))


def head(in_dim: int, out_dim: int) -> NormConv:
    """Build the last layers of encoder or decoder."""
    return NormConv(
        [RMSNorm(in_dim, (1, 1, 1)), nn.SiLU(inplace=True), causal_3x3x3(in_dim, out_dim)]
    )


class ResidualBlock(nn.Module):
    """Two causal convolutions beside a shortcut."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.residual = NormConv(
            [
                RMSNorm(in_dim, (1, 1, 1)),
                nn.SiLU(inplace=True),
                causal_3x3x3(in_dim, out_dim),
                RMSNorm(out_dim, (1, 1, 1)),
                nn.SiLU(inplace=True),
                nn.Identity(),  # dropout while training
                causal_3x3x3(out_dim, out_dim),
            ]
        )
        self.shortcut = CausalConv3d(in_dim, out_dim, (1, 1, 1)) if in_dim != out_dim else None

    def forward(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        y_FCHW = self.residual(x_FCHW, memory)
        return y_FCHW.add_(x_FCHW if self.shortcut is None else self.shortcut(x_FCHW, memory))


class SpatialAttention(nn.Module):
    """Self-attention of a single head among the positions of each frame."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = RMSNorm(dim, (1, 1))
        self.to_qkv = nn.Conv2d(dim, 3 * dim, 1)
        self.proj = nn.Conv2d(dim, dim, 1)
        self.by_products = False  # set by `WanVAE.prepare`

    def forward(self, x_FCHW: Tensor) -> Tensor:
        qkv_FCHW = pointwise(self.norm(x_FCHW), self.to_qkv.weight, self.to_qkv.bias)
        q_FSC, k_FSC, v_FSC = qkv_FCHW.flatten(2).transpose(1, 2).chunk(3, dim=-1)
        if self.by_products:
            frames = zip(q_FSC, k_FSC, v_FSC, strict=True)
            y_FSC = torch.stack([_attention_by_products(*frame) for frame in frames])
        else:
            y_FSC = F.scaled_dot_product_attention(q_FSC[:, None], k_FSC[:, None], v_FSC[:, None])
            y_FSC = y_FSC[:, 0]
        y_FCHW = y_FSC.transpose(1, 2).unflatten(2, x_FCHW.shape[2:])
        return x_FCHW + pointwise(y_FCHW, self.proj.weight, self.proj.bias)


def _attention_by_products(q_SC: Tensor, k_SC: Tensor, v_SC: Tensor) -> Tensor:
    """Return attention as two products with a softmax in float32 between them.

    The fast kernels of CUDA take heads of at most 256 channels; this one has 384.
    """
    if q_SC.dtype is torch.float32:
        scores_SS = q_SC @ k_SC.t()
    else:  # rounded to bfloat16, scores of 16 would be off by 6 %
        scores_SS = torch.mm(q_SC, k_SC.t(), out_dtype=torch.float32)
    weights_SS = (scores_SS * q_SC.shape[-1] ** -0.5).softmax(-1)
    return weights_SS.to(v_SC.dtype) @ v_SC


class Downsample(nn.Module):
    """Halves the resolution, and time too if `temporal`."""

    def __init__(self, dim: int, temporal: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(dim, dim, 3, stride=2))
        self.time_conv = CausalConv3d(dim, dim, (3, 1, 1), time_stride=2) if temporal else None

    def forward(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        x_FCHW = self.resample(x_FCHW)
        if self.time_conv is None:
            return x_FCHW
        if not memory.started:
            self.time_conv.remember(x_FCHW, memory)
            return x_FCHW
        return self.time_conv(x_FCHW, memory)


class Upsample(nn.Module):
    """Doubles the resolution and halves the channels; doubles time too if `temporal`."""

    def __init__(self, dim: int, temporal: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(
            nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Conv2d(dim, dim // 2, 3, padding=1)
        )
        self.time_conv = CausalConv3d(dim, 2 * dim, (3, 1, 1)) if temporal else None

    def forward(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        if self.time_conv is not None:
            if memory.started:
                x_FCHW = _as_frames(self.time_conv(x_FCHW, memory))
            else:
                # As in training, the first latent frame is not doubled, nor seen by the second.
                self.time_conv.begin(x_FCHW, memory)
        return self.resample(x_FCHW)


def _as_frames(pairs_FCHW: Tensor) -> Tensor:
    """Turn twice the channels into twice the frames, in channels-last memory."""
    pairs_FHW2C = pairs_FCHW.permute(0, 2, 3, 1).unflatten(3, (2, -1))
    return pairs_FHW2C.permute(0, 3, 1, 2, 4).flatten(0, 1).permute(0, 3, 1, 2)
