"""The retrieval autoencoder of LongLive-RAG (arXiv 2606.02553), any latent shape.

Encoder: stride-2 convolutions with a residual block each, global average pool, linear projection.
Decoder: linear to the encoder's last feature map, nearest up-sampling with convolutions, cropped to
the latent's size. Attribute names are those of the released checkpoint `ae_latent_mem.pt`.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class AutoencoderConfig:
    """Shape of the autoencoder, as stored in its checkpoint.

    Attributes:
        in_channels: channels of a latent frame.
        spatial_h: height of a latent frame.
        spatial_w: width of a latent frame.
        latent_dim: length of the descriptor.
        hidden_dims: channels after each stride-2 convolution.
    """

    in_channels: int
    spatial_h: int
    spatial_w: int
    latent_dim: int
    hidden_dims: tuple[int, ...]

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the latent frames it takes."""
        return self.in_channels, self.spatial_h, self.spatial_w

    @property
    def feature_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) in front of the average pool."""
        height, width = self.spatial_h, self.spatial_w
        for _ in self.hidden_dims:
            height, width = (height + 1) // 2, (width + 1) // 2
        return self.hidden_dims[-1], height, width


def _norm(channels: int) -> nn.GroupNorm:
    groups = next(groups for groups in (32, 16, 8, 4, 1) if channels % groups == 0)
    return nn.GroupNorm(groups, channels)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            _norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            _norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class ConvEncoder(nn.Module):
    """Latent frames to descriptors."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = config.in_channels
        for hidden in config.hidden_dims:
            downsample = nn.Conv2d(channels, hidden, 3, stride=2, padding=1)
            layers += [downsample, _norm(hidden), nn.SiLU(), _Residual(hidden)]
            channels = hidden
        self.conv_stack = nn.Sequential(*layers)
        self.final_norm = nn.Sequential(_norm(channels), nn.SiLU())
        self.fc = nn.Linear(channels, config.latent_dim)

    def forward(
        self, latents: Float[Tensor, "frame chan height width"]
    ) -> Float[Tensor, "frame dim"]:
        """Return descriptors before normalisation."""
        return self.fc(self.final_norm(self.conv_stack(latents)).mean(dim=(-2, -1)))


class ConvDecoder(nn.Module):
    """Descriptors back to latent frames; needed for training only."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        channels, height, width = config.feature_shape
        self._config = config
        self.fc = nn.Sequential(nn.Linear(config.latent_dim, channels * height * width), nn.SiLU())
        layers: list[nn.Module] = []
        for hidden in reversed(config.hidden_dims[:-1]):
            convolution = nn.Conv2d(channels, hidden, 3, padding=1)
            layers += [nn.Upsample(scale_factor=2), convolution]
            layers += [_norm(hidden), nn.SiLU(), _Residual(hidden)]
            channels = hidden
        self.upsample_stack = nn.Sequential(*layers)
        self.final = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(channels, config.in_channels, 3, padding=1)
        )

    def forward(
        self, descriptors: Float[Tensor, "frame dim"]
    ) -> Float[Tensor, "frame chan height width"]:
        """Return the reconstructed latent frames."""
        config = self._config
        features = self.fc(descriptors).unflatten(1, config.feature_shape)
        latents = self.final(self.upsample_stack(features))
        return latents[..., : config.spatial_h, : config.spatial_w]


class LatentAutoencoder(nn.Module):
    """Encoder and decoder, initialised as the released training code does."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ConvEncoder(config)
        self.decoder = ConvDecoder(config)
        self.apply(_initialise)
        for module in self.modules():
            if isinstance(module, _Residual):  # so that a residual block starts as the identity
                last = module.block[-1]
                assert isinstance(last, nn.Conv2d)
                nn.init.zeros_(last.weight)

    def forward(
        self, latents: Float[Tensor, "frame chan height width"]
    ) -> tuple[Float[Tensor, "frame chan height width"], Float[Tensor, "frame dim"]]:
        """Return the reconstruction, and descriptors before normalisation."""
        descriptors = self.encoder(latents)
        return self.decoder(descriptors), descriptors


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
