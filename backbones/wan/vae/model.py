"""The Wan2.1 video VAE. Parameter names are those of `Wan2.1_VAE.pth`.

Letters: F frame, C channel, H row, W column.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from backbones.engine.cudnn import cudnn_fault
from backbones.wan.vae.causal import (
    CHANNELS_LAST,
    CausalConv3d,
    CausalMemory,
    number_convolutions,
)
from backbones.wan.vae.config import WanVAEConfig
from backbones.wan.vae.layers import (
    Downsample,
    ResidualBlock,
    SpatialAttention,
    Upsample,
    causal_3x3x3,
    head,
)

_RGB = 3


def _residuals(in_dim: int, out_dim: int, number: int) -> list[ResidualBlock]:
    return [ResidualBlock(in_dim if block == 0 else out_dim, out_dim) for block in range(number)]


def _middle(dim: int) -> nn.Sequential:
    return nn.Sequential(ResidualBlock(dim, dim), SpatialAttention(dim), ResidualBlock(dim, dim))


def _run_middle(middle: nn.Sequential, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
    before, attention, after = middle
    return after(attention(before(x_FCHW, memory)), memory)


class Encoder(nn.Module):
    """Turns video frames into mean and log-variance of latents, one latent frame at a time."""

    def __init__(self, config: WanVAEConfig) -> None:
        super().__init__()
        dims = config.dims
        self.conv1 = causal_3x3x3(_RGB, dims[0])
        layers: list[nn.Module] = []
        for level, (in_dim, out_dim) in enumerate(pairwise((dims[0], *dims))):
            layers += _residuals(in_dim, out_dim, config.num_res_blocks)
            if level < len(config.temporal_downsample):
                layers.append(Downsample(out_dim, config.temporal_downsample[level]))
        self.downsamples = nn.ModuleList(layers)
        self.middle = _middle(dims[-1])
        self.head = head(dims[-1], 2 * config.z_dim)

    def forward(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        x_FCHW = self.conv1(x_FCHW, memory)
        for layer in self.downsamples:
            x_FCHW = layer(x_FCHW, memory)
        x_FCHW = self.head(_run_middle(self.middle, x_FCHW, memory), memory)
        memory.started = True
        return x_FCHW


class Decoder(nn.Module):
    """Turns one latent frame into the video frames it stands for."""

    def __init__(self, config: WanVAEConfig) -> None:
        super().__init__()
        dims = config.dims[::-1]
        temporal = config.temporal_downsample[::-1]
        self.conv1 = causal_3x3x3(config.z_dim, dims[0])
        self.middle = _middle(dims[0])
        layers: list[nn.Module] = []
        in_dim = dims[0]
        for level, out_dim in enumerate(dims):
            layers += _residuals(in_dim, out_dim, config.num_res_blocks + 1)
            if level < len(temporal):
                layers.append(Upsample(out_dim, temporal[level]))
                in_dim = out_dim // 2
        self.upsamples = nn.ModuleList(layers)
        self.head = head(dims[-1], _RGB)

    def forward(self, x_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        x_FCHW = _run_middle(self.middle, self.conv1(x_FCHW, memory), memory)
        for layer in self.upsamples:
            x_FCHW = layer(x_FCHW, memory)
        x_FCHW = self.head(x_FCHW, memory)
        memory.started = True
        return x_FCHW


class WanVAE(nn.Module):
    """Encoder and decoder; one video at a time, for inference.

    It computes in the number format of its weights, never waits for the device, and after the first
    latent frame of a video all shapes stay the same.
    """

    def __init__(self, config: WanVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.conv1 = CausalConv3d(2 * config.z_dim, 2 * config.z_dim, (1, 1, 1))
        self.conv2 = CausalConv3d(config.z_dim, config.z_dim, (1, 1, 1))
        self.decoder = Decoder(config)
        number_convolutions(self)
        self.compile_decoder(False)

    def prepare(self, for_gpu: bool | None = None) -> Self:
        """Prepare for inference; call it once weights are loaded and on their device.

        Args:
            for_gpu: compute in the form that is fast on a GPU; by default if the weights are on one
                with a cuDNN that can be trusted.
        """
        self.eval().requires_grad_(False)
        if for_gpu is None:
            for_gpu = self.conv2.weight.is_cuda and cudnn_fault() is None
        for module in self.modules():
            if isinstance(module, CausalConv3d):
                module.lay_out(direct=for_gpu)
            elif isinstance(module, SpatialAttention):
                module.by_products = for_gpu
            elif isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=CHANNELS_LAST)
        return self

    def compile_decoder(self, compiled: bool) -> None:
        """Decode compiled (two graphs serve a video of any length) or as it is."""
        self._decode = _compiled_decoder() if compiled else Decoder.forward

    @torch.inference_mode()
    def encode(
        self, video: Float[Tensor, "frame 3 height width"]
    ) -> Float[Tensor, "latent chan height/8 width/8"]:
        """Return normalised latents (the mean of their distribution) of a video, in float32.

        A few frames are encoded at a time, so memory doesn't grow with the video. The video may be
        on another device.

        Args:
            video: 4T-3 frames in -1..1, which make T latents.
        """
        step, factor = self.config.temporal_factor, self.config.spatial_factor
        num_frames, _, height, width = video.shape
        assert num_frames % step == 1 % step, "4T-3 frames make T latent frames"
        assert height % factor == width % factor == 0, f"size {height}x{width} is not a multiple"
        memory = CausalMemory()
        first_frames = [0, *range(1, num_frames, step), num_frames]
        return torch.cat([self._encode(video[a:b], memory) for a, b in pairwise(first_frames)])

    def _encode(self, frames_FCHW: Tensor, memory: CausalMemory) -> Tensor:
        x_FCHW = self.encoder(self._enter(frames_FCHW), memory)
        mean_FCHW = self.conv1(x_FCHW, memory)[:, : self.config.z_dim].float()
        mean_C11, std_C11 = self.latent_statistics()
        return (mean_FCHW - mean_C11) / std_C11

    def decode_latent(
        self, latent: Float[Tensor, "1 chan height width"], memory: CausalMemory
    ) -> Float[Tensor, "frame 3 height*8 width*8"]:
        """Return the video frames of the next latent frame; values may slightly exceed -1..1.

        Args:
            latent: latent frame before normalisation.
            memory: memory of the video so far; updated.
        """
        return self._decode(self.decoder, self.conv2(self._enter(latent), memory), memory)

    def latent_statistics(self) -> tuple[Float[Tensor, "chan 1 1"], Float[Tensor, "chan 1 1"]]:
        """Return mean and standard deviation of the latent channels, on the VAE's device."""
        device = self.conv2.weight.device
        mean_C, std_C = (
            torch.tensor(values, dtype=torch.float32, device=device)
            for values in (self.config.latent_mean, self.config.latent_std)
        )
        return mean_C[:, None, None], std_C[:, None, None]

    def _enter(self, x_FCHW: Tensor) -> Tensor:
        """Return frames or latents in the number format and memory order of the layers."""
        return x_FCHW.to(self.conv2.weight).contiguous(memory_format=CHANNELS_LAST)


@cache
def _compiled_decoder() -> Callable[[Decoder, Tensor, CausalMemory], Tensor]:
    return torch.compile(Decoder.forward, fullgraph=True, dynamic=False)
