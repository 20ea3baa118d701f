"""Operations that evidence adds to a block."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.store.units import build_backbone
from methods.base import Pass, evidence_of

if TYPE_CHECKING:
    from backbones.engine.spec import BackboneSpec
    from harness.store.units import Unit


def evidence_share(spec: BackboneSpec, passes: Collection[Pass]) -> float:
    """Return the operations of attention mass in some passes, as a share of those of a block.

    Fused attention never holds its weights, so products of queries and keys are computed again; the
    first denoising pass runs a second time as well.
    """
    shape, block = spec.shape, spec.block_latents
    one = shape.pass_flops(block, spec.budget_latents)
    mass = (one - shape.pass_flops(block, 0)) / 2
    extra = mass * len(passes) + one * (Pass.first in passes)
    return extra / (one * (len(spec.sampling.sigmas) + 1))


def evidence_lines(units: Sequence[Unit]) -> Iterator[str]:
    """Yield a sentence for each row whose strategy asks for attention mass or queries."""
    for unit in {(unit.backbone, unit.method): unit for unit in units}.values():
        if passes := evidence_of(unit.build_strategy()):
            share = evidence_share(build_backbone(unit.family, unit.backbone_args).spec(), passes)
            yield (
                f"evidence: {unit.method} on {unit.backbone} looks at attention, which fused "
                f"kernels don't show: up to {share:.0%} more operations a block"
            )
