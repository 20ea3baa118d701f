"""Layers of the Wan VAE, for one video whose frames arrive a few at a time.

A video is a stack of frames without a batch axis, in channels-last memory. A causal 3-D convolution
runs as one 2-D convolution: the frames under its temporal taps are stacked along the channels. The
sums are the same. 2-D convolutions in channels-last memory are fast on every device, while 3-D ones
of a single float32 video take a slow path on the CPU.

Letters: F frame, C channel, H row, W column, S position (row and column).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

CHANNELS_LAST = torch.channels_last


@dataclass
class CausalMemory:
    """Earlier frames that the causal convolutions of one video still need.

    Attributes:
        past: the newest input frames of each convolution, as many as its kernel still covers, by
            the number of the convolution: compiled code must not depend on which VAE was loaded.
        started: whether the first latent frame has passed. It is the only one that stands for a
            single video frame, so nothing is halved or doubled in time for it.
    """

    past: dict[int, Tensor] = field(default_factory=dict)
    started: bool = False


class CausalConv3d(nn.Module):
    """A convolution over current and earlier frames; a video is preceded by zeros.

    The spatial size stays the same. It sees no future frame, so frames can arrive in any chunks
    that are multiples of the temporal stride.
    """

    def __init__(
        self, in_dim: int, out_dim: int, kernel: tuple[int, int, int], time_stride: int = 1
    ) -> None:
        super().__init__()
        initial = nn.Conv3d(in_dim, out_dim, kernel)
        self.weight, self.bias = initial.weight, initial.bias
        self.kernel = kernel
        self.time_stride = time_stride
        self.past_frames = kernel[0] - time_stride
        self.number = 0  # set by `number_convolutions`

    def lay_out(self) -> None:
        """Order the weights in memory as `forward` reads them, so that it needs no copy."""
        ordered = self.weight.data.permute(0, 3, 4, 2, 1).contiguous()
        self.weight.data = ordered.permute(0, 4, 3, 1, 2)

    def forward(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        taps, rows, columns = self.kernel
        weight_OCHW = self.weight.transpose(1, 2).flatten(1, 2)
        stacked_FCHW = x_FCHW if taps == 1 else self._stack_taps(x_FCHW, memory)
        if rows == columns == 1:
            return _pointwise(stacked_FCHW, weight_OCHW, self.bias)
        return F.conv2d(stacked_FCHW, weight_OCHW, self.bias, padding=(rows // 2, columns // 2))

    def begin(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        """Set the past to zeros in the shape of the coming frames."""
        shape = (self.past_frames, *x_FCHW.shape[1:])
        past_FCHW = x_FCHW.new_zeros(shape).contiguous(memory_format=CHANNELS_LAST)
        memory.past[self.number] = past_FCHW
        return past_FCHW

    def remember(self, x_FCHW: Tensor, memory: CausalMemory) -> None:
        """Keep the newest frames as the past of the next ones, without a convolution."""
        memory.past[self.number] = x_FCHW[-self.past_frames :].clone()

    def _stack_taps(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        past_FCHW = memory.past.get(self.number)
        if past_FCHW is None:
            past_FCHW = self.begin(x_FCHW, memory)
        frames_FCHW = torch.cat([past_FCHW, x_FCHW])
        past_FCHW.copy_(frames_FCHW[-self.past_frames :])
        taps = self.kernel[0]
        num_starts = len(frames_FCHW) - taps + 1
        return torch.cat(
            [frames_FCHW[k : k + num_starts : self.time_stride] for k in range(taps)], dim=1
        )


def number_convolutions(module: nn.Module) -> None:
    """Number all causal convolutions of a model, so that each has its own memory."""
    convolutions = (part for part in module.modules() if isinstance(part, CausalConv3d))
    for number, convolution in enumerate(convolutions):
        convolution.number = number


def _pointwise(x_FCHW: Tensor, weight_OC11: Tensor, bias_O: Tensor | None) -> Tensor:
    """Compute a 1x1 convolution as a matrix product, whose bits don't depend on the threads."""
    y_FHWO = F.linear(x_FCHW.permute(0, 2, 3, 1), weight_OC11.flatten(1), bias_O)
    return y_FHWO.permute(0, 3, 1, 2)


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

    def forward(self, x_FCHW: Tensor) -> Tensor:
        qkv_FCHW = _pointwise(self.norm(x_FCHW), self.to_qkv.weight, self.to_qkv.bias)
        q_FSC, k_FSC, v_FSC = qkv_FCHW.flatten(2).transpose(1, 2)[:, None].chunk(3, dim=-1)
        y_FSC = F.scaled_dot_product_attention(q_FSC, k_FSC, v_FSC)[:, 0]
        y_FCHW = y_FSC.transpose(1, 2).unflatten(2, x_FCHW.shape[2:])
        return x_FCHW + _pointwise(y_FCHW, self.proj.weight, self.proj.bias)


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
