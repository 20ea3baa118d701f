"""Lower bound of the time of a steady block, from the measured rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
