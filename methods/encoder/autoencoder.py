"""The encoder half of the retrieval autoencoder (LongLive-RAG), from a checkpoint of its layout."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import nn

from harness.errors import LongtakeError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


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
    """Stride-2 convolutions with a residual block each, global average pool, linear projection.

    Attribute names are those of the released checkpoint.
    """

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
        """Descriptors before normalisation."""
        return self.fc(self.final_norm(self.conv_stack(latents)).mean(dim=(-2, -1)))


class AutoencoderDescriptor:
    """Descriptor of the trained retrieval autoencoder; only its encoder half is loaded.

    Args:
        checkpoint: `ae_latent_mem.pt` (a dict with `model` and `config`) or a .safetensors file
            with the same tensors and the config as JSON in its metadata.
    """

    def __init__(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            raise LongtakeError(
                "descriptor=autoencoder needs its trained weights: method.checkpoint=PATH "
                "(ae_latent_mem.pt or .safetensors); descriptor=avg_pool needs none."
            )
        path = Path(checkpoint)
        if not path.is_file():
            raise LongtakeError(f"method.checkpoint: no file {checkpoint!r}.")
        self._sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        tensors, config = _read_checkpoint(path)
        self._config = _parse_config(config, path)
        self._encoder = ConvEncoder(self._config)
        encoder_tensors = {
            name.removeprefix("encoder."): tensor
            for name, tensor in tensors.items()
            if not name.startswith("decoder.")  # reconstruction is for training only
        }
        try:
            self._encoder.load_state_dict(encoder_tensors)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise LongtakeError(f"{path.name} does not fit its own config: {reason}") from error
        self._encoder.eval().requires_grad_(False)

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        """See Encoder.prepare."""
        config = self._config
        expected = (config.in_channels, config.spatial_h, config.spatial_w)
        if latent_shape != expected:
            raise LongtakeError(
                f"The retrieval autoencoder was trained on latents of shape {expected}; this "
                f"backbone makes {latent_shape}."
            )

    def embed(
        self, latents: Float[Tensor, "frame chan height width"]
    ) -> Float[Tensor, "frame dim"]:
        """See Encoder.embed."""
        encoder = self._encoder.to(latents.device)
        with torch.inference_mode():
            return F.normalize(encoder(latents.float()), dim=-1)

    def fingerprint(self) -> str:
        """See Encoder.fingerprint."""
        return self._sha256


def _read_checkpoint(path: Path) -> tuple[Mapping[str, Tensor], Any]:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                config = json.loads((file.metadata() or {}).get("config", "null"))
                return {name: file.get_tensor(name) for name in file.keys()}, config  # noqa: SIM118
        content = torch.load(path, map_location="cpu", weights_only=True)
        return content["model"], content["config"]
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        LookupError,
        TypeError,
    ) as error:
        raise LongtakeError(
            f"{path.name} is not a readable retrieval autoencoder (truncated, or of another "
            f"layout than {{model, config}}): {error}"
        ) from error


def _parse_config(config: Any, path: Path) -> AutoencoderConfig:
    try:
        return AutoencoderConfig(
            in_channels=int(config["in_channels"]),
            spatial_h=int(config["spatial_h"]),
            spatial_w=int(config["spatial_w"]),
            latent_dim=int(config["latent_dim"]),
            hidden_dims=tuple(int(dim) for dim in config["hidden_dims"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LongtakeError(f"{path.name}: its config lacks or misstates {error}.") from error
