"""Small models with seeded random values, for tests of all that surrounds a model.

What they show means nothing; they run the same code as trained ones, are exactly as repeatable, and
take a fraction of the time. `python -m tests.small` writes the weights of the small street.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from backbones.engine.backbone import Backbone
from backbones.street.backbone import StreetBackbone, assemble
from backbones.street.model import LATENT_SHAPE, StreetModel, wan_config
from backbones.street.vae import LatentDecoder
from backbones.street.weights import StreetWeights

WEIGHTS = Path(__file__).parent / "data" / "small_street.safetensors"
_ROPE_POSITIONS = 1024
# Arguments of a command: the small street, and prompts that it takes.
SMALL_STREET = ("backbone=street", f"backbone.weights={WEIGHTS}", "prompts=street")
_SIZES = StreetWeights(dim=48, layers=1, fine=8, coarse=8, command="python -m tests.small")


def small_backbone(*steps: int, budget_latents: int = 12) -> Backbone:
    """Return the street's backbone with a small transformer and decoder.

    Args:
        steps: timesteps of the denoising passes.
        budget_latents: context budget in latent frames, the block included.
    """
    config = replace(wan_config(96, 2), dim=64, ffn_dim=128)
    model, decoder = StreetModel(config), LatentDecoder(_SIZES.fine, _SIZES.coarse)
    for module in (model, decoder):
        _fill(module)
    spec = replace(
        StreetBackbone(str(WEIGHTS), [*steps]).spec(),
        shape=config.shape(LATENT_SHAPE, _ROPE_POSITIONS),
        budget_latents=budget_latents,
        trained_latents=21,
    )
    return assemble(spec, model, decoder)


def write_street() -> None:
    """Write the weights of the small street."""
    model = StreetModel(wan_config(_SIZES.dim, _SIZES.layers))
    decoder = LatentDecoder(_SIZES.fine, _SIZES.coarse)
    for module in (model, decoder):
        _fill(module)
    WEIGHTS.parent.mkdir(exist_ok=True)
    _SIZES.write(WEIGHTS, model, decoder)


def _fill(module: nn.Module) -> None:
    """Fill all parameters with seeded values that keep the scale of what passes through."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 400
            parameter.normal_(std=fan_in**-0.5, generator=generator)
            if name.endswith("weight") and parameter.ndim == 1:
                parameter += 1  # of a norm


if __name__ == "__main__":
    write_street()
