"""The three losses of the retrieval encoder (LongLive-RAG, arXiv 2606.02553), each on its own.

Letters: B chunk, T latent frame of a chunk, D descriptor. As in the released code, descriptors are
not normalised first unless asked: the delta loss ignores their scale, the smoothing loss does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from harness.core.errors import ConfigError

# Under the root of the smoothing loss: keeps its gradient finite where a trajectory is straight.
_STRAIGHT = 1e-8


@dataclass
class LossSettings:
    """Weights and shape of the loss; a weight of 0 switches a part off.

    Args:
        recon_weight: weight of the reconstruction loss.
        delta_weight: weight of the Window Temporal Delta loss.
        smooth_weight: weight of the smoothing loss.
        margin: m, the cosine up to which neighbours may be alike.
        window: w, the largest offset in latent frames that counts as a neighbour.
        normalise: smooth unit vectors, which the loss can't shrink. The released code does not.
    """

    recon_weight: float = 1.0
    delta_weight: float = 1.0
    smooth_weight: float = 1.0
    margin: float = 0.85
    window: int = 3
    normalise: bool = False

    def check(self, chunk_latents: int) -> None:
        """Raise an error for settings that cannot be trained.

        Raises:
            ConfigError: a margin that is not a cosine, a chunk too short for the smoothing loss, a
                window that does not fit into a chunk, a negative weight, or nothing to train on.
        """
        if chunk_latents < 3:  # because every part is computed, even with weight 0
            raise ConfigError(
                f"chunk_latents={chunk_latents}: the smoothing loss needs chunks of at least 3 "
                "latent frames."
            )
        if not -1 <= self.margin <= 1:
            raise ConfigError(f"loss.margin={self.margin:g} is a cosine: expected -1..1.")
        if not 1 <= self.window < chunk_latents:
            raise ConfigError(
                f"loss.window={self.window}: a chunk of {chunk_latents} latent frames has offsets "
                f"1..{chunk_latents - 1}; take a smaller window or a longer chunk."
            )
        weights = (self.recon_weight, self.delta_weight, self.smooth_weight)
        if not all(0 <= weight < float("inf") for weight in weights) or not sum(weights):
            raise ConfigError(
                f"loss weights must not be negative, and one must be positive; got recon_weight="
                f"{weights[0]:g}, delta_weight={weights[1]:g}, smooth_weight={weights[2]:g}."
            )


def reconstruction(latents: Tensor, reconstructed: Tensor) -> Float[Tensor, ""]:
    """Compute the mean squared error over all values: mean (x - D(E(x)))^2."""
    return F.mse_loss(reconstructed, latents)


def window_temporal_delta(
    descriptors_BTD: Float[Tensor, "chunk frame dim"], window: int, margin: float
) -> Float[Tensor, ""]:
    """Compute the Window Temporal Delta loss: penalise neighbours more alike than the margin.

    1/w * sum over k=1..w of mean over chunks and t of relu(cos(e_t, e_{t-k}) - m)
    """
    assert 1 <= window < descriptors_BTD.shape[1]
    hinges = [
        F.relu(
            F.cosine_similarity(descriptors_BTD[:, k:], descriptors_BTD[:, :-k], dim=-1) - margin
        ).mean()
        for k in range(1, window + 1)
    ]
    return torch.stack(hinges).mean()


def trajectory_smoothing(
    descriptors_BTD: Float[Tensor, "chunk frame dim"], normalise: bool = False
) -> Float[Tensor, ""]:
    """Compute the mean length of the acceleration, |e_{t+1} - 2 e_t + e_{t-1}|.

    Args:
        descriptors_BTD: descriptors before normalisation.
        normalise: take unit vectors, so that shorter descriptors are not smoother.
    """
    e_BTD = F.normalize(descriptors_BTD, dim=-1) if normalise else descriptors_BTD
    acceleration = e_BTD[:, 2:] - 2 * e_BTD[:, 1:-1] + e_BTD[:, :-2]
    return (acceleration.square().sum(-1) + _STRAIGHT).sqrt().mean()


@dataclass(frozen=True)
class LossParts:
    """The loss and its parts before weighting; a part with weight 0 is computed too."""

    total: Tensor
    recon: Tensor
    delta: Tensor
    smooth: Tensor


def all_losses(
    latents_BTCHW: Tensor,
    reconstructed_BTCHW: Tensor,
    descriptors_BTD: Tensor,
    settings: LossSettings,
) -> LossParts:
    """Compute the weighted sum of the three losses, in float32 or better."""
    if descriptors_BTD.dtype in (torch.float16, torch.bfloat16):
        descriptors_BTD = descriptors_BTD.float()
        reconstructed_BTCHW = reconstructed_BTCHW.float()
    recon = reconstruction(latents_BTCHW, reconstructed_BTCHW)
    delta = window_temporal_delta(descriptors_BTD, settings.window, settings.margin)
    smooth = trajectory_smoothing(descriptors_BTD, settings.normalise)
    total = (
        settings.recon_weight * recon
        + settings.delta_weight * delta
        + settings.smooth_weight * smooth
    )
    return LossParts(total, recon, delta, smooth)
