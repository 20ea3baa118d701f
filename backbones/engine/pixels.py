"""Pixels from the output of a decoder."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def to_pixels(
    video: Float[Tensor, "frame 3 height width"],
) -> UInt8[Tensor, "frame height width 3"]:
    """Return 8-bit RGB of a video in -1..1; values outside are clipped."""
    pixels = ((video.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1)
