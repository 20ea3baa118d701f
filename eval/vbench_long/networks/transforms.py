"""The official image transforms, on float frames 0..255: resized without rounding, then scaled.

As in the official code, values that bicubic interpolation puts below 0 or above 255 are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.networks.torch_network import IMAGENET, OPENAI_CLIP

if TYPE_CHECKING:
    from torch import Tensor


def clip_input(frames_FCHW: Tensor) -> Tensor:
    """Resize the shorter side to 224 (bicubic), centre crop, CLIP's mean and deviation."""
    from torchvision.transforms import functional as images
    from torchvision.transforms.functional import InterpolationMode

    resized = images.resize(frames_FCHW, [224], InterpolationMode.BICUBIC, antialias=False)
    return images.normalize(
        images.center_crop(resized, [224]).float() / 255, *map(list, OPENAI_CLIP)
    )


def dino_input(frames_FCHW: Tensor) -> Tensor:
    """Resize the shorter side to 224 (bilinear), no crop, ImageNet's mean and deviation."""
    from torchvision.transforms import functional as images

    resized = images.resize(frames_FCHW, [224], antialias=False)
    return images.normalize(resized / 255, *map(list, IMAGENET))


def dinov2_input(frames_FCHW: Tensor) -> Tensor:
    """Resize the shorter side to 256 (bicubic, antialiased), crop 224, ImageNet's statistics."""
    from torchvision.transforms import functional as images
    from torchvision.transforms.functional import InterpolationMode

    resized = images.resize(frames_FCHW, [256], InterpolationMode.BICUBIC, antialias=True)
    return images.normalize(images.center_crop(resized, [224]) / 255, *map(list, IMAGENET))


def dreamsim_input(frames_FCHW: Tensor) -> Tensor:
    """Resize to 224 x 224 at any aspect (bicubic, antialiased), 0..1; DreamSim normalises."""
    from torchvision.transforms import functional as images
    from torchvision.transforms.functional import InterpolationMode

    size, bicubic = [224, 224], InterpolationMode.BICUBIC
    return images.resize(frames_FCHW, size, bicubic, antialias=True) / 255


def musiq_input(frames_FCHW: Tensor) -> Tensor:
    """Shrink the longer side to at most 512 (bilinear, both sides rounded down), 0..1."""
    from torchvision.transforms import functional as images

    height, width = frames_FCHW.shape[-2:]
    if max(height, width) > 512:
        scale = 512.0 / max(height, width)
        size = [int(scale * height), int(scale * width)]
        frames_FCHW = images.resize(frames_FCHW, size, antialias=False)
    return frames_FCHW / 255
