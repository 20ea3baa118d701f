"""DINO features of decoded frames."""

from __future__ import annotations

import hashlib
import io
import pickle

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from harness.core.errors import LongtakeError, MissingWeights
from harness.core.weights_files import why_unreadable
from methods.encoders.base import Source
from methods.encoders.checkpoint import given_file
from methods.encoders.vit import VisionTransformer, vit_weights

_IMAGE_PX = 224
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, RGB
_UNREADABLE = (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError)


class Dino:
    """The class token of a DINO or DINOv2 Vision Transformer for the decoded frame.

    Args:
        checkpoint: weights as torch.hub stores them (dino_deitsmall16_pretrain.pth,
            dinov2_vits14_pretrain.pth, with or without registers), as timm does, or .safetensors
            of either.
    """

    source = Source.frames

    def __init__(self, checkpoint: str | None) -> None:
        path = given_file(
            checkpoint,
            "descriptor=dino needs weights: method.checkpoint=PATH of a DINO or DINOv2 model as "
            "torch.hub or timm store it; descriptor=mobilenet needs none.",
        )
        data = path.read_bytes()
        try:
            if path.suffix == ".safetensors":
                content = load_file(path)
            else:
                content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            self._network = VisionTransformer(vit_weights(content))
        except (LongtakeError, AttributeError) as error:
            raise MissingWeights(f"{path.name}: {error}") from error
        except _UNREADABLE as error:
            raise MissingWeights(
                f"{path.name} can't be read as weights: {why_unreadable(path, error)}."
            ) from error
        self._network.eval().requires_grad_(False)
        self._sha256 = hashlib.sha256(data).hexdigest()

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        """Accept any latent shape, because frames are embedded after decoding."""

    def embed(self, inputs: UInt8[Tensor, "frame height width 3"]) -> Float[Tensor, "frame dim"]:
        """Return the class token of each frame, resized to a square without cropping."""
        network = self._network.to(inputs.device)
        side = _IMAGE_PX // network.patch_px * network.patch_px
        with torch.inference_mode():
            images = inputs.permute(0, 3, 1, 2).float() / 255
            images = F.interpolate(images, (side, side), mode="bicubic", antialias=True)
            mean, std = (
                torch.tensor(c, device=images.device)[:, None, None] for c in (_MEAN, _STD)
            )
            features = [network((image[None] - mean) / std) for image in images]
            return F.normalize(torch.cat(features), dim=-1)

    def fingerprint(self) -> str:
        return self._sha256
