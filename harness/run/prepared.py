"""A unit with everything needed to generate it, built once from its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from backbones.engine.kv.sizes import HostRoom, Kept, most_kept, plan_tiers
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout, compiles
from harness.core.compiler import compiler_problem
from harness.core.devices import free_device_bytes
from harness.core.errors import DeviceError
from harness.core.machine import GIB
from harness.store.units import build_backbone, check_identity

if TYPE_CHECKING:
    import torch

    from backbones.engine.backbone import Backbone, BackboneSource
    from backbones.engine.runtime import KVLimits, Runtime
    from backbones.engine.spec import BackboneSpec
    from backbones.engine.together import Place
    from harness.store.units import Unit
    from methods.base import MemoryStrategy


@dataclass(frozen=True)
class PreparedUnit:
    """A unit whose arguments have become objects, before any weights are loaded.

    Attributes:
        unit: the video to make.
        source: its backbone.
        spec: description of the backbone.
        strategy: its memory strategy. No other unit shares it: a plug-in that forgets to reset part
            of its state would otherwise make videos depend on their order.
    """

    unit: Unit
    source: BackboneSource
    spec: BackboneSpec
    strategy: MemoryStrategy

    @classmethod
    def of(cls, unit: Unit, source: BackboneSource | None = None) -> Self:
        """Build what a unit names.

        Args:
            unit: the video to make.
            source: its backbone, where the caller has built it already.
        """
        source = source or build_backbone(unit.family, unit.backbone_args)
        return cls(unit, source, source.spec(), unit.build_strategy())

    def check_identity(self) -> None:
        """Refuse a unit whose plug-ins, weights or files changed since it was planned.

        Raises:
            ConfigError: the unit's id does not describe the video that would be generated.
        """
        check_identity(self.unit, self.source, self.strategy)

    def kept(self) -> Kept:
        """Return the most of the past that must be kept at the same time."""
        unit = self.unit
        rollouts = self.spec.rollouts(unit.script or unit.prompt, unit.num_latents, unit.seed)
        return most_kept(self.strategy, rollouts)

    def check_memory(
        self,
        limits: KVLimits,
        device: torch.device,
        free_bytes: int | None = None,
        number: int = 1,
    ) -> None:
        """Refuse a unit whose models, context or past can't be held.

        The rollout plans its memory again once the models are loaded and the memory they left is
        known; this check fails before minutes are spent on loading them.

        Args:
            limits: the user's.
            device: where it will run.
            free_bytes: free memory of the device; by default measured.
            number: units like this one that are made in step.

        Raises:
            DeviceError: how much is needed, how much there is, and which setting lowers it.
        """
        if free_bytes is None:
            free_bytes = free_device_bytes(device)
        spec = self.spec
        of_each = spec.context_bytes + spec.scratch_bytes
        needed = spec.weights_bytes + number * of_each
        if needed > free_bytes:
            times, advice = "", ""
            if number > 1:
                times, advice = f", for each of {number} videos", f" A batch below {number} helps."
            raise DeviceError(
                f"{spec.name} needs {needed / GIB:.1f} GiB on {device}: "
                f"{spec.weights_bytes / GIB:.1f} of weights, {spec.context_bytes / GIB:.1f} for a "
                f"context of {spec.budget_latents} latent frames and {spec.scratch_bytes / GIB:.1f}"
                f" to compute and decode{times}; {max(0, free_bytes) / GIB:.1f} GiB are free. "
                "backbone.precision=bfloat16 and a smaller backbone.budget_latents need less."
                f"{advice}"
            )
        plan_tiers(
            spec,
            self.kept(),
            limits.of_each(number),
            device,
            (free_bytes - spec.weights_bytes) // number,
            HostRoom.now().of_each(number),
        )

    def start(
        self,
        backbone: Backbone,
        runtime: Runtime,
        num_latents: int | None = None,
        place: Place | None = None,
    ) -> Rollout:
        """Start the rollout of the unit.

        Args:
            backbone: what `source` loaded.
            runtime: how to compute it.
            num_latents: latent frames to make, by default those of the unit.
            place: its part of the device, if others are made in step with it.

        Raises:
            LongtakeError: the strategy refuses the rollout, or its memory doesn't fit.
        """
        unit = self.unit
        return Rollout(
            backbone,
            self.strategy,
            unit.script or unit.prompt,
            # The first prompt alone, so that scripts are paired with each other and with the video
            # of a single prompt up to the first switch.
            SeededNoise(unit.seed, unit.prompt),
            num_latents or unit.num_latents,
            unit.seed,
            runtime,
            place,
        )


def check_compiler(runtime: Runtime, device: torch.device) -> None:
    """Refuse to compile layers where that would fail at the first block.

    Raises:
        DeviceError: there is no C compiler, or Python's headers are missing.
    """
    if compiles(runtime, device) and (problem := compiler_problem()):
        raise DeviceError(
            f"Layers cannot be compiled: {problem}. Install it, or set kernels.compile=false."
        )
