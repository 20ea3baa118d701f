"""Whether a unit fits into memory, asked before any weights are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbones.engine.kv.sizes import most_reachable, spare_slabs, tier_sizes
from harness.core.devices import free_device_bytes
from harness.core.errors import LongtakeError
from harness.core.machine import GIB

if TYPE_CHECKING:
    import torch

    from backbones.engine.runtime import KVLimits
    from backbones.engine.spec import BackboneSpec
    from harness.store.units import Unit


def check_memory(
    unit: Unit,
    spec: BackboneSpec,
    limits: KVLimits,
    device: torch.device,
    free_bytes: int | None = None,
) -> None:
    """Refuse a unit whose models, context or past can't be held.

    Args:
        unit: what is to be made.
        spec: its backbone.
        limits: the user's.
        device: where it will run.
        free_bytes: free memory of the device; by default asked of it.

    Raises:
        LongtakeError: how much is needed, how much there is, and which setting lowers it.
    """
    if free_bytes is None:
        free_bytes = free_device_bytes(device)
    # One context with the block's own keys and values, and those that the clean pass hands over.
    context_bytes = (spec.budget_latents + spec.block_latents) * spec.kv_bytes_per_latent
    needed = spec.weights_bytes + context_bytes
    if needed > free_bytes:
        raise LongtakeError(
            f"{spec.name} needs {needed / GIB:.1f} GiB on {device}: {spec.weights_bytes / GIB:.1f} "
            f"of weights and {context_bytes / GIB:.1f} for a context of {spec.budget_latents} "
            f"latent frames; {free_bytes / GIB:.1f} GiB are free. backbone.precision=bfloat16 and "
            "a smaller backbone.budget_latents need less."
        )
    strategy = unit.build_strategy()
    rollout = spec.rollout(unit.num_latents, unit.seed)
    strategy.reset(rollout)
    tier_sizes(
        limits,
        spec.kv_bytes_per_latent,
        most_reachable(strategy, rollout),
        spare_slabs(rollout),
        device,
        free_bytes - needed,
    )


def kept_latents(unit: Unit, spec: BackboneSpec) -> int:
    """Past latent frames of a unit that must be kept at the same time, at most."""
    strategy, rollout = unit.build_strategy(), spec.rollout(unit.num_latents, unit.seed)
    strategy.reset(rollout)
    return most_reachable(strategy, rollout)
