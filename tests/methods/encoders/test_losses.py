from __future__ import annotations

import math

import pytest
import torch

from harness.core.errors import LongtakeError
from methods.encoders.losses import (
    LossSettings,
    all_losses,
    reconstruction,
    trajectory_smoothing,
    window_temporal_delta,
)


def on_circle(*degrees: float) -> torch.Tensor:
    """One chunk of unit vectors in the plane."""
    angles = torch.tensor(degrees, dtype=torch.float64) * math.pi / 180
    return torch.stack([angles.cos(), angles.sin()], dim=-1)[None]


def test_delta_is_the_mean_hinge_over_offsets() -> None:
    chunk = on_circle(0, 10, 40, 100)
    cos = [[math.cos(math.radians(d)) for d in row] for row in ((10, 30, 60), (40, 90), (100,))]
    hinges = [sum(max(c - 0.5, 0) for c in row) / len(row) for row in cos]
    for window in (1, 2, 3):
        loss = window_temporal_delta(chunk, window, margin=0.5)
        assert float(loss) == pytest.approx(sum(hinges[:window]) / window, abs=1e-12)


def test_delta_ignores_the_length_of_descriptors_and_vanishes_below_the_margin() -> None:
    chunk = on_circle(0, 20, 50)
    scaled = chunk * torch.tensor([1.0, 5.0, 0.1], dtype=torch.float64)[None, :, None]
    torch.testing.assert_close(
        window_temporal_delta(scaled, 2, 0.1), window_temporal_delta(chunk, 2, 0.1)
    )
    assert float(window_temporal_delta(on_circle(0, 90, 180), 1, 0.5)) == 0.0


def test_smoothing_is_the_mean_length_of_the_acceleration() -> None:
    chunk = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 4.0]]], dtype=torch.float64)
    # Accelerations (0, 0) and (0, 4); the straight part costs the root of 1e-8.
    assert float(trajectory_smoothing(chunk)) == pytest.approx((1e-4 + 4) / 2, abs=1e-8)


def test_smoothing_of_unit_vectors_ignores_the_length_of_descriptors() -> None:
    chunk = on_circle(0, 20, 50)
    scaled = chunk * torch.tensor([1.0, 5.0, 0.1], dtype=torch.float64)[None, :, None]
    torch.testing.assert_close(trajectory_smoothing(scaled, True), trajectory_smoothing(chunk))


def test_reconstruction_is_the_mean_squared_error() -> None:
    assert float(reconstruction(torch.zeros(2, 2), torch.tensor([[1.0, 2.0], [0, 1]]))) == 1.5


@pytest.mark.parametrize(
    "settings",
    [
        LossSettings(delta_weight=0, smooth_weight=0),
        LossSettings(recon_weight=0, smooth_weight=0, margin=0.1),
        LossSettings(recon_weight=0, delta_weight=0),
        LossSettings(margin=0.2, window=4),
        LossSettings(margin=0.2, normalise=True),
    ],
    ids=["recon", "delta", "smooth", "full", "normalised"],
)
def test_gradients_are_those_of_finite_differences(settings: LossSettings) -> None:
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    latents = draw(2, 6, 1, 2, 2).detach()

    def total(reconstructed: torch.Tensor, descriptors: torch.Tensor) -> torch.Tensor:
        return all_losses(latents, reconstructed, descriptors, settings).total

    assert torch.autograd.gradcheck(total, (draw(2, 6, 1, 2, 2), draw(2, 6, 5)))


def test_parts_are_weighted_and_half_precision_is_lifted() -> None:
    latents, descriptors = torch.zeros(1, 4, 1, 1, 1), torch.randn(1, 4, 8).bfloat16()
    settings = LossSettings(recon_weight=2, delta_weight=3, smooth_weight=0.5)
    parts = all_losses(latents, torch.ones(1, 4, 1, 1, 1).bfloat16(), descriptors, settings)
    assert parts.total.dtype == torch.float32
    expected = 2 * parts.recon + 3 * parts.delta + 0.5 * parts.smooth
    torch.testing.assert_close(parts.total, expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (LossSettings(margin=1.2), "loss.margin=1.2 is a cosine"),
        (LossSettings(margin=float("nan")), "is a cosine"),
        (LossSettings(window=8), "offsets 1..7"),
        (LossSettings(window=0), "offsets 1..7"),
        (LossSettings(recon_weight=-1), "must not be negative"),
        (LossSettings(0, 0, 0), "one must be positive"),
    ],
)
def test_losses_that_make_no_sense_are_refused(settings: LossSettings, message: str) -> None:
    with pytest.raises(LongtakeError, match=message):
        settings.check(chunk_latents=8)
