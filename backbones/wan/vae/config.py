"""Sizes of a Wan VAE and the statistics of its latents."""

from __future__ import annotations

from dataclasses import dataclass

# Mean and standard deviation of each latent channel, as published with Wan2.1.
_LATENT_MEAN = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
    0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
)  # fmt: skip
_LATENT_STD = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
    3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
)  # fmt: skip


@dataclass(frozen=True)
class WanVAEConfig:
    """Sizes of a Wan VAE; the defaults are those of `Wan2.1_VAE.pth`.

    Attributes:
        base_dim: channels at full resolution.
        z_dim: latent channels.
        dim_mult: channels of each resolution, fine to coarse, as multiples of `base_dim`.
        num_res_blocks: residual blocks per resolution of the encoder; the decoder has one more.
        temporal_downsample: for each halving of the resolution, whether it halves time as well.
        latent_mean: mean of each latent channel before normalisation.
        latent_std: standard deviation of each latent channel before normalisation.
    """

    base_dim: int = 96
    z_dim: int = 16
    dim_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    temporal_downsample: tuple[bool, ...] = (False, True, True)
    latent_mean: tuple[float, ...] = _LATENT_MEAN
    latent_std: tuple[float, ...] = _LATENT_STD

    def __post_init__(self) -> None:
        assert len(self.temporal_downsample) == len(self.dim_mult) - 1
        assert len(self.latent_mean) == len(self.latent_std) == self.z_dim

    @property
    def dims(self) -> tuple[int, ...]:
        """Return the channels of each resolution, fine to coarse."""
        return tuple(self.base_dim * factor for factor in self.dim_mult)

    @property
    def temporal_factor(self) -> int:
        """Return the video frames per latent frame; the first one of a video gives one."""
        return 2 ** sum(self.temporal_downsample)

    def decoder_elements(self, height: int, width: int) -> int:
        """Return how many numbers the decoder keeps while it decodes a latent frame.

        86 for each pixel and channel at full resolution: in the code that Inductor generates for
        480x832 in bfloat16, 5.2 GB of buffers and 1.4 GB of what convolutions remember.
        """
        return 86 * self.base_dim * height * width

    @property
    def spatial_factor(self) -> int:
        """Return the pixels per latent row and column."""
        return 2 ** len(self.temporal_downsample)
