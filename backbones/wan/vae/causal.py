"""Causal 3-D convolutions over the frames of one video, which arrive a few at a time.

On a GPU the frames of past and present are one 3-D convolution's input: channels-last frames one
behind the other are what it wants in memory, so nothing is copied per temporal tap. Elsewhere it
runs as one 2-D convolution, with the frames under the temporal taps stacked along the channels,
because 3-D ones of small float32 videos take a slow path on the CPU. The sums are the same.

Letters: F frame, C channel, H row, W column, O channel out.
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
# Rows of 16 bytes are the smallest that tensor cores write.
_WHOLE_CHANNELS = 8


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
        assert initial.bias is not None
        self.weight, self.bias = initial.weight, initial.bias
        self.kernel = kernel
        self.time_stride = time_stride
        self.past_frames = kernel[0] - time_stride
        self.number = 0  # set by `number_convolutions`
        self.direct = False  # set by `lay_out`

    def lay_out(self, direct: bool) -> None:
        """Order the weights in memory as `forward` reads them, so that it needs no copy.

        Args:
            direct: convolve in three dimensions. Channels out are then padded to a multiple of
                eight, and the parameters become views of the padded ones.
        """
        self.direct = direct and self.kernel[0] > 1
        if self.direct:
            missing = -len(self.weight) % _WHOLE_CHANNELS
            weight = F.pad(self.weight.data, (0, 0) * 4 + (0, missing))
            self._weight = weight.contiguous(memory_format=torch.channels_last_3d)
            self._bias = F.pad(self.bias.data, (0, missing))
            self.weight.data = self._weight[: len(self.weight)]
            self.bias.data = self._bias[: len(self.bias)]
        else:
            ordered = self.weight.data.permute(0, 3, 4, 2, 1).contiguous()
            self.weight.data = ordered.permute(0, 4, 3, 1, 2)

    def forward(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        taps, rows, columns = self.kernel
        frames_FCHW = x_FCHW if taps == 1 else self._with_past(x_FCHW, memory)
        if self.direct:
            return self._directly(frames_FCHW)
        stacked_FCHW = frames_FCHW if taps == 1 else self._stack_taps(frames_FCHW)
        weight_OCHW = self.weight.transpose(1, 2).flatten(1, 2)
        if rows == columns == 1:
            return pointwise(stacked_FCHW, weight_OCHW, self.bias)
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

    def _with_past(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        """Return the frames behind those that came before; remember the newest."""
        past_FCHW = memory.past.get(self.number)
        if past_FCHW is None:
            past_FCHW = self.begin(x_FCHW, memory)
        frames_FCHW = torch.cat([past_FCHW, x_FCHW])
        past_FCHW.copy_(frames_FCHW[-self.past_frames :])
        return frames_FCHW

    def _stack_taps(self, frames_FCHW: Tensor) -> Tensor:
        taps = self.kernel[0]
        num_starts = len(frames_FCHW) - taps + 1
        starts = (slice(tap, tap + num_starts, self.time_stride) for tap in range(taps))
        return torch.cat([frames_FCHW[start] for start in starts], dim=1)

    def _directly(self, frames_FCHW: Tensor) -> Tensor:
        _, rows, columns = self.kernel
        y_1OFHW = F.conv3d(
            frames_FCHW[None].transpose(1, 2),
            self._weight,
            self._bias,
            stride=(self.time_stride, 1, 1),
            padding=(0, rows // 2, columns // 2),
        )
        return y_1OFHW[0, : len(self.weight)].transpose(0, 1)


def number_convolutions(module: nn.Module) -> None:
    """Number all causal convolutions of a model, so that each has its own memory."""
    convolutions = (part for part in module.modules() if isinstance(part, CausalConv3d))
    for number, convolution in enumerate(convolutions):
        convolution.number = number


def pointwise(x_FCHW: Tensor, weight_OC11: Tensor, bias_O: Tensor | None) -> Tensor:
    """Compute a 1x1 convolution as a matrix product, whose bits don't depend on the threads."""
    y_FHWO = F.linear(x_FCHW.permute(0, 2, 3, 1), weight_OC11.flatten(1), bias_O)
    return y_FHWO.permute(0, 3, 1, 2)
