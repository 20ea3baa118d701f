"""From the command line to a validated sweep: overrides, Hydra compose, dataclasses.

Every combination of the grid is composed on its own into one `Row` (a backbone with a method on a
prompt set); what can't differ between rows is in `Settings`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.engine.runtime import Kernels, KVLimits, Runtime
from backbones.engine.script import Switch
from eval.scoring.suite import check_suites
from harness.config.options import (
    CONF,
    REGISTRIES,
    defaults,
    option,
    own_default,
    refuse_ambiguous,
)
from harness.config.overrides import LIST_KEYS, Choice, compose_plain, expand
from harness.config.places import named_by_file
from harness.config.prompts import Prompt, PromptSet, PromptSettings, load_prompts
from harness.config.slurm_profile import SlurmProfile
from harness.core.errors import ConfigError, unknown_name
from harness.core.registry import OWN_DISTRIBUTION, PluginError
from harness.core.schema import build, check_count, with_defaults
from methods import METHODS

if TYPE_CHECKING:
    from harness.core.registry import OWN_DISTRIBUTION, PluginError


_MOST_NAME_BYTES = 255  # of file systems
_LEAST_LIMIT_S = 0.1
_MOST_LIMIT_S = 1e9


class ExecutorKind(StrEnum):
    """Executors: this process, worker processes on this machine, or a SLURM cluster."""

    inline = "inline"
    processes = "processes"
    slurm = "slurm"


@dataclass
class ExecutorSettings:
    """Executor of a sweep.

    Args:
        kind: inline, processes or slurm.
        slurm: the cluster profile of kind slurm.
    """

    kind: ExecutorKind = ExecutorKind.inline
    slurm: SlurmProfile = field(default_factory=SlurmProfile)


@dataclass
class Settings:
    """Settings that all rows of a sweep share; the keys of harness/config/conf/sweep.yaml.

    `workers` are the processes of executor=processes, by default one per GPU, else one per CPU
    core; `threads` the CPU threads of each, by default an even share of the cores; `batch` the
    videos of one row that each makes in step. `stall_limit_s` ends the process of a unit without a
    new block or clip, and the unit counts as failed.
    """

    name: str = "main"
    runs: str = "runs"
    duration: list[float] = field(default_factory=lambda: [30.0])
    seed: list[int] = field(default_factory=lambda: [0])
    suite: list[str] = field(default_factory=lambda: ["offline"])
    device: str = "auto"
    workers: int | None = None
    threads: int | None = None
    batch: int = 1
    save_every_blocks: int = 8
    stall_limit_s: float | None = None
    deterministic: bool = False
    kernels: Kernels = field(default_factory=Kernels)
    kv: KVLimits = field(default_factory=KVLimits)
    executor: ExecutorSettings = field(default_factory=ExecutorSettings)

    def __post_init__(self) -> None:
        # OmegaConf also builds a temporary instance whose fields are placeholders, not numbers.
        for key in ("workers", "threads", "batch"):
            check_count(key, getattr(self, key))
        in_step = isinstance(self.batch, int) and self.batch > 1
        if in_step and getattr(self.kernels, "cuda_graphs", None) is True:
            raise ConfigError(
                f"kernels.cuda_graphs=true replays the passes of one video, and batch={self.batch} "
                "computes those of several together: choose one."
            )
        kind = getattr(self.executor, "kind", None)
        if kind == ExecutorKind.inline and isinstance(self.workers, int) and self.workers > 1:
            raise ConfigError(f"workers={self.workers} needs executor=processes.")
        limit_s = self.stall_limit_s
        if isinstance(limit_s, int | float) and not _LEAST_LIMIT_S <= limit_s <= _MOST_LIMIT_S:
            raise ConfigError(
                f"stall_limit_s={limit_s:g}: expected {_LEAST_LIMIT_S:g} to {_MOST_LIMIT_S:g}."
            )
        if isinstance(limit_s, int | float) and kind == ExecutorKind.slurm:
            raise ConfigError(
                "stall_limit_s= is for this machine; on SLURM the time limit of a task ends a unit "
                "that hangs."
            )
        for key in ("duration", "seed"):
            values = getattr(self, key)
            if isinstance(values, list) and (not values or len(set(values)) < len(values)):
                raise ConfigError(f"{key} must name at least one value, each once; got {values}.")
        for duration_s in self.duration if isinstance(self.duration, list) else ():
            if not 0 < duration_s < math.inf:
                raise ConfigError(f"duration={duration_s:g}: expected a number of seconds above 0.")
        if isinstance(self.save_every_blocks, int) and self.save_every_blocks < 1:
            raise ConfigError(f"save_every_blocks must be at least 1: {self.save_every_blocks}.")
        if not self.name or "/" in self.name or self.name.startswith("."):
            raise ConfigError(f"name={self.name!r} must be a plain folder name.")
        if (num_bytes := len(self.name.encode())) > _MOST_NAME_BYTES:
            raise ConfigError(
                f"name= has {num_bytes} bytes; a folder's name may have {_MOST_NAME_BYTES}."
            )

    @property
    def runtime(self) -> Runtime:
        """Settings of the engine: kernels, memory limits and determinism."""
        return Runtime(self.kernels, self.kv, self.deterministic)

    @property
    def store(self) -> Path:
        """The sweep's folder."""
        return Path(self.runs) / self.name


@dataclass(frozen=True)
class Component:
    """A plug-in with its arguments, before it is built.

    Attributes:
        label: name for people, for example "rag layout=aged".
        target: registered name, or "module:attribute".
        args: arguments as given; the rest keep their defaults.
    """

    label: str
    target: str
    args: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One backbone with one method on one prompt set.

    Attributes:
        backbone: the backbone.
        method: the memory strategy.
        prompts: the prompt set.
        switch: what happens to the past when the prompt of a script changes.
    """

    backbone: Component
    method: Component
    prompts: PromptSet
    switch: Switch = Switch.keep


@dataclass(frozen=True)
class SweepConfig:
    """A whole sweep, ready to be planned."""

    settings: Settings
    rows: tuple[Row, ...]
    resolved: tuple[dict[str, Any], ...]


def load_sweep(arguments: Sequence[str], unlabelled: Sequence[str] = ()) -> SweepConfig:
    """Compose and validate the sweep that command-line overrides describe.

    Args:
        arguments: overrides as typed.
        unlabelled: those of them that the labels of backbones and methods leave out.

    Raises:
        ConfigError: anything in the overrides that doesn't fit, with the nearest valid name.
    """
    settings, rows, resolved = None, [], []
    hidden = {choice for row in expand(unlabelled) for choice in row}
    for choices in expand(arguments):
        config = _compose(choices)
        groups = {name: config.pop(name) for name in ("backbone", "method", "prompts")}
        known = [field.name for field in fields(Settings)]
        if unknown := [key for key in config if key not in known]:
            raise unknown_name("setting", unknown[0], [*known, *groups])
        with named_by_file(choices, "executor"):
            settings = build(Settings, config, "setting")
        row = _row(choices, groups, hidden)
        rows.append(row)
        prompts = groups["prompts"] | {"sha256": row.prompts.sha256}
        parts = {name: _resolved(name, getattr(row, name)) for name in REGISTRIES}
        parts["method"]["switch"] = str(row.switch)
        shared = _as_declared(config, with_defaults(settings))
        resolved.append({**shared, **parts, "prompts": prompts})
    assert settings is not None
    check_suites(settings.suite)
    _check_labels(rows)
    return SweepConfig(settings, tuple(rows), tuple(resolved))


def _as_declared(given: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that are given, with what texts that were typed are read as."""
    found = dict(given)
    for key, value in given.items():
        if isinstance(value, dict):
            found[key] = _as_declared(value, declared[key])
        elif isinstance(value, str):
            found[key] = declared[key]
    return found


def load_single(prompt: str, arguments: Sequence[str]) -> SweepConfig:
    """Compose and validate the sweep of one video, which is not scored.

    Args:
        prompt: its generation prompt.
        arguments: overrides as typed.

    Raises:
        ConfigError: overrides that span more than one video, or a SLURM cluster.
        LongtakeError: as `load_sweep`.
    """
    config = load_sweep([*arguments, "suite=[]"])
    if len(config.rows) * len(config.settings.seed) != 1:
        raise ConfigError(
            "generate makes one video: name one backbone, one method and one seed, or use sweep."
        )
    if config.settings.batch > 1:
        raise ConfigError(f"batch={config.settings.batch}: this command makes one video.")
    if config.settings.executor.kind is ExecutorKind.slurm:
        raise ConfigError("generate works on this machine; on SLURM use sweep.")
    sha256 = hashlib.sha256(prompt.encode()).hexdigest()
    given = PromptSet("given", (Prompt(sha256[:8], prompt, prompt),), sha256)
    resolved = config.resolved[0] | {"prompts": {"given": prompt, "sha256": sha256}}
    return SweepConfig(config.settings, (replace(config.rows[0], prompts=given),), (resolved,))


def load_component(group: str, arguments: Sequence[str]) -> Component:
    """Compose one backbone or one method.

    Args:
        group: "backbone" or "method".
        arguments: overrides of this group, one value each.

    Raises:
        LongtakeError: as `load_sweep`.
    """
    (choices,) = expand(arguments)
    return _component(group, _label(group, choices), _compose(choices)[group])


def _resolved(group: str, component: Component) -> dict[str, Any]:
    """Return the description of a component for --cfg and sweep.yaml, with all arguments."""
    registry, key = REGISTRIES[group]
    instance = build(registry.load(component.target), component.args, group)
    return {"label": component.label, key: component.target, **with_defaults(instance)}


def _row(choices: Sequence[Choice], groups: dict[str, Any], hidden: Collection[Choice]) -> Row:
    labelled = [choice for choice in choices if choice not in hidden or "." not in choice.key]
    # Every method has this key beside the arguments of its strategy.
    values = dict(groups["method"])
    switch = str(values.pop("switch", Switch.keep))
    if switch not in list(Switch):
        raise unknown_name("method.switch", switch, [str(known) for known in Switch])
    with named_by_file(choices, "method"):
        method = _component("method", _label("method", labelled), values)
    with named_by_file(choices, "backbone"):
        backbone = _component("backbone", _label("backbone", labelled), groups["backbone"])
    if "switch" in {field.name for field in fields(METHODS.load(method.target))}:
        raise PluginError(
            f"method {method.target}: no argument may be called switch, because method.switch is "
            "the switch policy of scripts; rename it."
        )
    return Row(
        backbone,
        method,
        load_prompts(
            _label("prompts", choices), build(PromptSettings, groups["prompts"], "prompts")
        ),
        Switch(switch),
    )


def _component(group: str, label: str, values: dict[str, Any]) -> Component:
    registry, key = REGISTRIES[group]
    args = dict(values)
    if key not in args:
        raise ConfigError(
            f"{group} {label!r} lacks the key {key!r}: {', '.join(registry.names())}."
        )
    refuse_ambiguous(args)
    component = Component(label, str(args.pop(key)), args)
    build(registry.load(component.target), args, group)
    return component


def _check_labels(rows: Sequence[Row]) -> None:
    """Refuse two components with one label, because labels are the rows of the report."""
    met: dict[tuple[str, str], tuple[Component, Switch | None]] = {}
    for row in rows:
        for group, component, switch in (
            ("backbone", row.backbone, None),
            ("method", row.method, row.switch),
        ):
            other, other_switch = met.setdefault((group, component.label), (component, switch))
            if (other, other_switch) != (component, switch):
                raise ConfigError(
                    f"Two different {group}s would both be called {component.label!r}: "
                    f"{other.target} and {component.target}; rename one."
                )


def _label(group: str, choices: Iterable[Choice]) -> str:
    """Return the chosen option, followed by all overridden arguments."""
    name = next((c.value for c in choices if c.key == group), None) or defaults()[group]
    arguments = [(c.key.partition(".")[2], c.value) for c in choices if c.group == group]
    # How many prompts of a set are taken doesn't make it another set.
    left_out = ("", "num") if group == "prompts" else ("",)
    overridden = [f"{key}={value}" for key, value in arguments if key not in left_out]
    stem = name.rpartition(":")[2] if ":" in name else Path(name).stem
    if group in REGISTRIES:
        entry = REGISTRIES[group][0].entries().get(name)
        if entry and ":" in name and entry.origin != OWN_DISTRIBUTION:
            stem = f"{entry.name} of {entry.origin}"
    return " ".join([stem, *overridden])


def _compose(choices: Sequence[Choice]) -> dict[str, Any]:
    chosen = {choice.key: choice.value for choice in choices if choice.key in defaults()}
    if any(choice.key == "workers" and choice.parsed is not None for choice in choices):
        chosen.setdefault("executor", "processes")
    options = {
        key: option(key, chosen[key] if key in chosen else own_default(key)) for key in defaults()
    }
    # Keys are set whether they exist or not: the dataclasses refuse those that don't, and know the
    # nearest one.
    settings = [choice for choice in choices if choice.key not in (*options, *LIST_KEYS)]
    # OmegaConf makes a node of every element; a list may be as long as seed=range(10000).
    lists = {choice.key: choice.parsed for choice in choices if choice.key in LIST_KEYS}
    return compose_plain(CONF, "sweep", options, settings) | lists
