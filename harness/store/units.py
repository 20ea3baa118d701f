"""Units, each one video to generate, and their identity."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from backbones import BACKBONES
from harness.core.devices import pick_device
from harness.core.errors import ConfigError
from harness.core.registry import PluginError, Registry
from harness.core.schema import build
from harness.store.lines import UnitLine
from methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbones.engine.backbone import BackboneSource
    from harness.config.sweep import SweepConfig
    from methods.base import MemoryStrategy

# Increased whenever a change of Longtake alters pixels, so that existing units are made again.
IDENTITY_VERSION = 2


@dataclass(frozen=True)
class Unit:
    """One video to generate.

    Attributes:
        id: hash of everything that affects its pixels.
        row_id: hash of backbone and method with all their arguments.
        identity: the content of the hash.
        backbone: label of the backbone.
        method: label of the method.
        family: registered backbone, with `backbone_args`.
        strategy: registered strategy, with `method_args`.
        prompt_id: id of the prompt in its set.
        prompt_set: name of the set.
        prompt: generation prompt.
        evaluation_prompt: prompt that metrics compare with.
        seed: seed of all noise.
        num_latents: latent frames of the longest duration asked for.
    """

    id: str
    row_id: str
    identity: dict[str, Any]
    backbone: str
    method: str
    family: str
    backbone_args: dict[str, Any]
    strategy: str
    method_args: dict[str, Any]
    prompt_id: str
    prompt_set: str
    prompt: str
    evaluation_prompt: str
    seed: int
    num_latents: int

    @property
    def line(self) -> UnitLine:
        """Its line in units.jsonl."""
        return UnitLine(
            unit_id=self.id,
            backbone=self.backbone,
            method=self.method,
            prompt_id=f"{self.prompt_set}/{self.prompt_id}",
            prompt=self.prompt,
            evaluation_prompt=self.evaluation_prompt,
            seed=self.seed,
            row_id=self.row_id,
        )

    def build_strategy(self) -> MemoryStrategy:
        """Create the memory strategy of this unit."""
        return build(METHODS.load(self.strategy), self.method_args, "method")


def plan_units(config: SweepConfig) -> list[Unit]:
    """Plan all units of a sweep, ordered by row, then prompt, then seed.

    Raises:
        LongtakeError: the backbone or the method refuses a duration, prompt or argument, or the
            device does not exist.
    """
    settings = config.settings
    if settings.executor.kind != "slurm":  # its nodes have other devices than this machine
        pick_device(settings.device)
    units: list[Unit] = []
    for row in config.rows:
        source = build_backbone(row.backbone.target, row.backbone.args)
        spec = source.spec()
        num_latents = max(spec.num_latents(duration_s) for duration_s in settings.duration)
        strategy = build(METHODS.load(row.method.target), row.method.args, "method")
        strategy.reset(spec.rollout(num_latents, seed=0))
        shared = {
            "version": IDENTITY_VERSION,
            "backbone": _identity(BACKBONES, row.backbone.target, source),
            "method": _identity(METHODS, row.method.target, strategy),
        }
        encoded = {key: _canonical(value) for key, value in shared.items()}
        row_id = _digest(encoded)
        for prompt in row.prompts.prompts:
            source.check_prompt(prompt.text)
            encoded["prompt"] = _canonical(prompt.text)
            for seed in settings.seed:
                encoded["seed"] = _canonical(seed)
                units.append(
                    Unit(
                        id=_digest(encoded),
                        row_id=row_id,
                        identity=shared | {"prompt": prompt.text, "seed": seed},
                        backbone=row.backbone.label,
                        method=row.method.label,
                        family=row.backbone.target,
                        backbone_args=row.backbone.args,
                        strategy=row.method.target,
                        method_args=row.method.args,
                        prompt_id=prompt.id,
                        prompt_set=row.prompts.name,
                        prompt=prompt.text,
                        evaluation_prompt=prompt.evaluation_text,
                        seed=seed,
                        num_latents=num_latents,
                    )
                )
    return units


def build_backbone(family: str, args: dict[str, Any]) -> BackboneSource:
    """Create the backbone source of registered name `family`."""
    return build(BACKBONES.load(family), args, "backbone")


def check_identity(unit: Unit, source: BackboneSource, strategy: MemoryStrategy) -> None:
    """Refuse a unit whose plug-ins, weights or files changed since it was planned.

    Args:
        unit: the unit as planned.
        source: its backbone as it is now.
        strategy: its strategy as it is now.

    Raises:
        ConfigError: the id does not describe the video that would be generated.
    """
    found = unit.identity | {
        "backbone": _identity(BACKBONES, unit.family, source),
        "method": _identity(METHODS, unit.strategy, strategy),
    }
    if json.loads(json.dumps(found)) != json.loads(json.dumps(unit.identity)):
        raise ConfigError(
            f"The backbone or method of unit {unit.id} changed after the sweep was planned; "
            "run the command again."
        )


def digest(identity: Mapping[str, Any]) -> str:
    """Return the unit id of an identity."""
    return _digest({key: _canonical(value) for key, value in identity.items()})


def _canonical(value: Any) -> str:
    """Encode as canonical JSON: equal content gives equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _digest(encoded: Mapping[str, str]) -> str:
    """Return the id from encoded parts, which rows share: a sweep has few rows and many units."""
    parts = ",".join(f'"{key}":{encoded[key]}' for key in sorted(encoded))
    return hashlib.sha256(f"{{{parts}}}".encode()).hexdigest()[:20]


def _identity(registry: Registry, name: str, component: Any) -> dict[str, Any]:
    """Return a component's name and all its arguments, defaults included."""
    if not is_dataclass(component) or isinstance(component, type):
        raise PluginError(f"{registry.kind} {name!r} must be a dataclass of its arguments.")
    own = component.identity() if hasattr(component, "identity") else {}
    # The registry's part comes last, so that an argument called "name" cannot override it.
    return {**asdict(component), **own, **registry.identity(name)}
