"""The small video VAE of the street: 4x in time, 8x in space, 16 channels.

Convolutions are per latent frame. Time enters through residual blocks that also see the features of
the previous latent frame (the first frame sees itself twice). A decoder needs only these features
to continue, so any chunking gives the same frames as a single pass.

Letters: N latent frame, F video frame, C channel, H row, W column.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from backbones.engine.pixels import to_pixels

TEMPORAL_FACTOR = 4
SPATIAL_FACTOR = 8
LATENT_CHANNELS = 16
_FINE, _COARSE = 112, 160  # channels at a quarter and at an eighth of the video's resolution
_PATCH = 4  # pixels folded into channels at the fine resolution
_PACKED = 3 * TEMPORAL_FACTOR * _PATCH**2


class _Residual(nn.Module):
    """Two convolutions; a temporal one also sees the previous latent frame."""

    def __init__(self, channels: int, temporal: bool = False) -> None:
        super().__init__()
        self.temporal = temporal
        self.a = nn.Conv2d(channels * (2 if temporal else 1), channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_NCHW: Tensor, memory: dict[nn.Module, Tensor]) -> Tensor:
        y_NCHW = x_NCHW
        if self.temporal:
            before_1CHW = memory.get(self, x_NCHW[:1])
            memory[self] = x_NCHW[-1:]
            y_NCHW = torch.cat([x_NCHW, torch.cat([before_1CHW, x_NCHW[:-1]])], dim=1)
        return x_NCHW + self.b(F.silu(self.a(F.silu(y_NCHW))))


class LatentDecoder(nn.Module):
    """Decoder of one video at a time. Attributes are named as in the weights file.

    Args:
        fine: channels at a quarter of the video's resolution.
        coarse: channels at an eighth of it.
    """

    def __init__(self, fine: int = _FINE, coarse: int = _COARSE) -> None:
        super().__init__()
        self.d0 = nn.Conv2d(LATENT_CHANNELS, coarse, 3, padding=1)
        self.d2 = nn.ModuleList(
            [
                _Residual(coarse, temporal=True),
                _Residual(coarse, temporal=True),
                _Residual(coarse),
            ]
        )
        self.du = nn.Conv2d(coarse, 4 * fine, 1)
        self.d1 = nn.ModuleList([_Residual(fine, temporal=True), _Residual(fine), _Residual(fine)])
        self.do = nn.Conv2d(fine, _PACKED, 3, padding=1)

    def decode(
        self, latents: Float[Tensor, "latent chan height width"], memory: dict[nn.Module, Tensor]
    ) -> Float[Tensor, "latent*4 3 height*8 width*8"]:
        """Return the video frames of the next latent frames.

        Args:
            latents: normalised latents.
            memory: features of the previous latent frame, empty at the start of a video; updated.
        """
        x = self.d0(latents)
        for block in self.d2:
            x = block(x, memory)
        x = F.pixel_shuffle(_pointwise(self.du, F.silu(x)), 2)
        for block in self.d1:
            x = block(x, memory)
        x = F.pixel_shuffle(self.do(F.silu(x)), _PATCH)
        return x.unflatten(1, (TEMPORAL_FACTOR, 3)).flatten(0, 1)


class LatentEncoder(nn.Module):
    """Encoder of one video at a time, with the statistics that normalise its latents."""

    def __init__(self) -> None:
        super().__init__()
        self.e0 = nn.Conv2d(_PACKED, _FINE, 1)
        self.e1 = nn.ModuleList([_Residual(_FINE), _Residual(_FINE)])
        self.ed = nn.Conv2d(_FINE, _COARSE, 4, stride=2, padding=1)
        self.e2 = nn.ModuleList(
            [_Residual(_COARSE, temporal=True), _Residual(_COARSE), _Residual(_COARSE)]
        )
        self.eo = nn.Conv2d(_COARSE, LATENT_CHANNELS, 1)
        self.mean_C = nn.Parameter(torch.zeros(LATENT_CHANNELS))
        self.std_C = nn.Parameter(torch.ones(LATENT_CHANNELS))

    def encode(
        self, video: Float[Tensor, "frame 3 height width"]
    ) -> Float[Tensor, "latent chan height/8 width/8"]:
        """Return the normalised latents of a video of 4T-3 frames in -1..1."""
        num_frames = len(video)
        assert num_frames % TEMPORAL_FACTOR == 1, "4T-3 frames make T latent frames"
        lead_FCHW = video[:1].expand(TEMPORAL_FACTOR - 1, -1, -1, -1)
        x = torch.cat([lead_FCHW, video]).unflatten(0, (-1, TEMPORAL_FACTOR))
        x = x.flatten(1, 2)
        x = self.e0(F.pixel_unshuffle(x, _PATCH))
        memory: dict[nn.Module, Tensor] = {}
        for block in self.e1:
            x = block(x, memory)
        x = self.ed(F.silu(x))
        for block in self.e2:
            x = block(x, memory)
        latents = self.eo(F.silu(x))
        return (latents - self.mean_C[:, None, None]) / self.std_C[:, None, None]


def _pointwise(layer: nn.Conv2d, x_NCHW: Tensor) -> Tensor:
    """Compute a 1x1 convolution as a matrix product, whose bits don't depend on the threads."""
    weight_OC = layer.weight.flatten(1)
    assert layer.bias is not None
    return (
        torch.matmul(weight_OC, x_NCHW.flatten(2)).unflatten(2, x_NCHW.shape[2:])
        + (layer.bias[:, None, None])
    )


class StreamDecoder:
    """Streaming decode of one video.

    Args:
        decoder: the model, of normalised latents.
    """

    def __init__(self, decoder: LatentDecoder) -> None:
        self.model = decoder
        self._memory: dict[nn.Module, Tensor] = {}

    @torch.inference_mode()
    def decode(
        self, latents: Float[Tensor, "latent chan height width"]
    ) -> UInt8[Tensor, "frame height*8 width*8 3"]:
        """Return the frames of the next latent frames; the first one of a video gives one frame."""
        first = not self._memory
        latents = latents.to(self.model.d0.weight.device)
        # One by one, because convolution kernels differ in the last bit between batch sizes.
        video = torch.cat([self.model.decode(latent[None], self._memory) for latent in latents])
        video = video[TEMPORAL_FACTOR - 1 :] if first else video
        return to_pixels(video)
