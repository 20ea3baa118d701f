"""Units, each one video to generate, and their identity."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from backbones import BACKBONES
from backbones.engine.prefix import check_prefix
from backbones.engine.script import Script, Switch
from backbones.external.backbone import ExternalBackbone
from harness.core.devices import pick_device
from harness.core.errors import ConfigError, LongtakeError, MissingWeights
from harness.core.registry import PluginError, Registry
from harness.core.schema import build
from harness.store.lines import UnitLine
from methods import METHODS
from methods.external import External

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from backbones.engine.backbone import BackboneSource
    from backbones.engine.spec import BackboneSpec
    from harness.config.prompts import Prompt
    from harness.config.sweep import SweepConfig
    from methods.base import MemoryStrategy, RolloutSpec

# Increased whenever a change of Longtake alters pixels, so that existing units are made again.
IDENTITY_VERSION = 2


@dataclass(frozen=True)
class UnitRow:
    """The part of a unit that its whole row shares: backbone and method, at one length.

    Attributes:
        id: hash of backbone and method with all their arguments.
        identity: their part of the identity of each unit.
        backbone: label of the backbone.
        method: label of the method.
        family: registered backbone, with `backbone_args`.
        strategy: registered strategy, with `method_args`.
        num_latents: latent frames of the longest duration asked for.
    """

    id: str
    identity: dict[str, Any]
    backbone: str
    method: str
    family: str
    backbone_args: dict[str, Any]
    strategy: str
    method_args: dict[str, Any]
    num_latents: int


@dataclass(frozen=True, slots=True)
class Unit:
    """One video to generate. A sweep may have a million, so they hold only what is their own.

    Attributes:
        id: hash of everything that affects its pixels.
        row: its backbone and method.
        prompt_id: id of the prompt in its set.
        prompt_set: name of the set.
        prompt: generation prompt.
        evaluation_prompt: prompt that metrics compare with.
        seed: seed of all noise.
        script: its segments where the prompt changes; `prompt` and `evaluation_prompt` are then
            those of the first.
    """

    id: str
    row: UnitRow
    prompt_id: str
    prompt_set: str
    prompt: str
    evaluation_prompt: str
    seed: int
    script: Script | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The content of the hash `id`."""
        return self.row.identity | _own_identity(self.prompt, self.script) | {"seed": self.seed}

    @property
    def row_id(self) -> str:
        """Hash of backbone and method with all their arguments."""
        return self.row.id

    @property
    def backbone(self) -> str:
        """Label of the backbone."""
        return self.row.backbone

    @property
    def method(self) -> str:
        """Label of the method."""
        return self.row.method

    @property
    def family(self) -> str:
        """Registered backbone."""
        return self.row.family

    @property
    def backbone_args(self) -> dict[str, Any]:
        """Arguments of the backbone."""
        return self.row.backbone_args

    @property
    def strategy(self) -> str:
        """Registered strategy."""
        return self.row.strategy

    @property
    def method_args(self) -> dict[str, Any]:
        """Arguments of the strategy."""
        return self.row.method_args

    @property
    def num_latents(self) -> int:
        """Latent frames of the longest duration asked for."""
        return self.row.num_latents

    @property
    def prompts(self) -> tuple[str, ...]:
        """Every generation prompt, in order."""
        return self.script.prompts if self.script else (self.prompt,)

    @property
    def evaluation_prompts(self) -> tuple[str, ...]:
        """The evaluation prompt of each segment; one for a video with one prompt."""
        return self.script.evaluation_prompts if self.script else (self.evaluation_prompt,)

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
            script=self.script,
        )

    def build_strategy(self) -> MemoryStrategy:
        """Create the memory strategy of this unit."""
        return build(METHODS.load(self.strategy), self.method_args, "method")


def plan_units(config: SweepConfig, only_count: bool = False) -> list[Unit]:
    """Plan all units of a sweep, ordered by row, then prompt, then seed.

    Args:
        config: the sweep.
        only_count: accept missing weights; units that need them get other ids than they will have.

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
        if isinstance(source, ExternalBackbone) and not isinstance(strategy, External):
            raise ConfigError(
                f"backbone {row.backbone.label!r} makes whole videos with a command of its own; "
                f"use method=external (method.label=NAME), not {row.method.label!r}."
            )
        scripts = [_script(prompt, row.switch) for prompt in row.prompts.prompts]
        _check_rollouts(strategy, spec, row.prompts.prompts, scripts, num_latents)
        check_by_strategy = getattr(strategy, "check_prompt", _any_prompt)
        shared = {
            "version": IDENTITY_VERSION,
            "backbone": _identity(BACKBONES, row.backbone.target, source, only_count),
            "method": _identity(METHODS, row.method.target, strategy, only_count),
        }
        encoded = {key: _canonical(value) for key, value in shared.items()}
        # Two rows may differ in nothing but the switch, which changes no video of a single prompt.
        own_switch = {} if row.switch is Switch.keep else {"switch": _canonical(row.switch)}
        planned = UnitRow(
            id=_digest(encoded | own_switch),
            identity=shared,
            backbone=row.backbone.label,
            method=row.method.label,
            family=row.backbone.target,
            backbone_args=row.backbone.args,
            strategy=row.method.target,
            method_args=row.method.args,
            num_latents=num_latents,
        )
        for prompt, script in zip(row.prompts.prompts, scripts, strict=True):
            own = _own_identity(prompt.text, script)
            schedule = spec.schedule(script or prompt.text)
            checks = [
                partial(check, text)
                for text in schedule.prompts
                for check in (source.check_prompt, check_by_strategy)
            ]
            _check([*checks, partial(source.check_script, schedule)], prompt, only_count)
            of_prompt = encoded | {key: _canonical(value) for key, value in own.items()}
            for seed in settings.seed:
                of_prompt["seed"] = _canonical(seed)
                units.append(
                    Unit(
                        id=_digest(of_prompt),
                        row=planned,
                        prompt_id=prompt.id,
                        prompt_set=row.prompts.name,
                        prompt=prompt.text,
                        evaluation_prompt=prompt.evaluation_text,
                        seed=seed,
                        script=script,
                    )
                )
    return units


def _own_identity(prompt: str, script: Script | None) -> dict[str, Any]:
    """Return the part of an identity that the prompt decides."""
    return {"prompt": prompt} | ({"script": script.identity()} if script else {})


def _any_prompt(text: str) -> None:
    """Accept a prompt, for strategies that don't read prompts."""


def _script(prompt: Prompt, switch: Switch) -> Script | None:
    return Script(prompt.segments, switch) if prompt.segments else None


def _check(checks: Iterable[Callable[[], None]], prompt: Prompt, only_count: bool) -> None:
    """Refuse what the backbone or the strategy can't take, with its file and line."""
    for check in checks:
        try:
            check()
        except MissingWeights:  # of the tokenizer
            if not only_count:
                raise
        except LongtakeError as error:
            place = f"{prompt.place}: " if prompt.place else ""
            raise ConfigError(f"{place}{error}") from error


def _check_rollouts(
    strategy: MemoryStrategy,
    spec: BackboneSpec,
    prompts: Sequence[Prompt],
    scripts: Sequence[Script | None],
    num_latents: int,
) -> None:
    """Refuse arguments of a strategy, and scripts, that don't fit the rollouts of a row."""
    rollouts: dict[RolloutSpec, None] = {}
    for prompt, script in zip(prompts, scripts, strict=True):
        try:
            found = spec.rollouts(script or prompt.text, num_latents, seed=0)
            if script:
                check_prefix(script, spec, num_latents)
        except ConfigError as error:
            raise ConfigError(f"{prompt.place or prompt.id}: {error}") from error
        rollouts |= dict.fromkeys(found)
    for rollout in rollouts:
        strategy.reset(rollout)


def build_backbone(family: str, args: dict[str, Any]) -> BackboneSource:
    """Create the backbone source of registered name `family`."""
    return build(BACKBONES.load(family), args, "backbone")


def check_identity(unit: Unit, source: BackboneSource, strategy: MemoryStrategy) -> None:
    """Refuse a unit whose plug-ins, weights or given file changed since it was planned.

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
    # The id is the planned one; parts of a unit that read files may have changed since.
    if digest(found) != unit.id:
        raise ConfigError(
            f"The backbone, method or given file of unit {unit.id} changed after the sweep was "
            "planned; run the command again."
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


def _identity(
    registry: Registry, name: str, component: Any, only_count: bool = False
) -> dict[str, Any]:
    """Return a component's name and all its arguments, defaults included."""
    if not is_dataclass(component) or isinstance(component, type):
        raise PluginError(f"{registry.kind} {name!r} must be a dataclass of its arguments.")
    try:
        own = component.identity() if hasattr(component, "identity") else {}
    except MissingWeights:
        if not only_count:
            raise
        own = {"weights": "missing"}
    # The registry's part comes last, so that an argument called "name" cannot override it.
    return {**asdict(component), **own, **registry.identity(name)}
