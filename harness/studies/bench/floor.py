"""Lower bound of the time of a steady block, from the measured rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from backbones.engine.spec import BackboneSpec
    from harness.studies.bench.rates import Rates


def block_flops(spec: BackboneSpec) -> int:
    """Return the multiplications and additions of all passes of a block with a full context."""
    passes = len(spec.sampling.sigmas) + 1
    return passes * spec.shape.pass_flops(spec.block_latents, spec.budget_latents)


def gather_bytes(spec: BackboneSpec) -> int:
    """Return the bytes of keys and values that a full context holds, the block left out."""
    return (spec.budget_latents - spec.block_latents) * spec.kv_bytes_per_latent


def floor_s(spec: BackboneSpec, rates: Rates) -> float:
    """Return the seconds of the arithmetic at the rate of a large product and one context copy."""
    arithmetic_s = block_flops(spec) / rates.matmul_flops_per_s
    return arithmetic_s + gather_bytes(spec) / rates.copy_bytes_per_s


@torch.inference_mode()
def decode_flops(backbone: Backbone) -> int:
    """Count the multiplications and additions of decoding a block, by decoding one uncompiled."""
    spec = backbone.spec
    latents = torch.zeros(spec.block_latents, *spec.geometry.latent_shape, device=backbone.device)
    backbone.compile(False)
    decoder = backbone.start_decoder()
    decoder.decode(latents)  # the first latent frame of a video costs less
    with FlopCounterMode(display=False) as counter:
        decoder.decode(latents)
    return int(counter.get_total_flops())
