"""Quality of a decoder on held-out clips: its error, and the sharpness it keeps."""

from __future__ import annotations

from statistics import fmean

from jaxtyping import Float
from torch import Tensor

from backbones.engine.pixels import to_pixels
from eval.metrics.pixels import FRAME_STEP, sharpness


def fidelity_db(
    decoded: Float[Tensor, "frame 3 height width"],
    rendered: Float[Tensor, "frame 3 height width"],
) -> float:
    """Return the peak signal-to-noise ratio of videos in -1..1."""
    return float(-10 * ((decoded - rendered).square().mean() / 4).log10())


def sharpness_share(
    decoded: Float[Tensor, "frame 3 height width"],
    rendered: Float[Tensor, "frame 3 height width"],
) -> float:
    """Return the sharpness of decoded frames as a share of that of the rendered ones.

    Sharpness is that of the metric `sharpness_retention`, of the same frames.
    """
    return _sharpness(decoded) / _sharpness(rendered)


def _sharpness(video: Tensor) -> float:
    return fmean(map(sharpness, to_pixels(video[::FRAME_STEP]).numpy()))
