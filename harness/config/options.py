"""The options of the groups `backbone=`, `method=` and `prompts=`: presets, files, plug-ins.

Names that Longtake's own presets and defaults contain mean what ships with it, whatever else is
installed; a name that the user writes is refused if it is ambiguous.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from backbones import BACKBONES
from harness.config.prompts import GENERATORS
from harness.core.errors import ConfigError, unknown_name
from harness.core.registry import OWN_DISTRIBUTION, PluginError, Registry
from methods import METHODS
from methods.encoders import ENCODERS

CONF = Path(__file__).parent / "conf"
# For each group of plug-ins their registry, and the key that names one.
REGISTRIES: dict[str, tuple[Registry, str]] = {
    "backbone": (BACKBONES, "family"),
    "method": (METHODS, "strategy"),
}
_NO_TEXT = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
# Keys whose values are registered names.
_NAMED = {
    "family": BACKBONES,
    "strategy": METHODS,
    "descriptor": ENCODERS,
    "source": GENERATORS,
}


def options(group: str) -> list[str]:
    """Return the names that `group=` accepts: presets (YAML files) and registered plug-ins."""
    names = {path.stem for path in (CONF / group).glob("*.yaml")}
    if group in REGISTRIES:
        registry, _ = REGISTRIES[group]
        names |= registry.entries().keys()
    return sorted(names)


@cache
def defaults() -> dict[str, str]:
    """Return the option of each group that is used when none is chosen."""
    listed = OmegaConf.load(CONF / "sweep.yaml").defaults
    return {
        str(group): option for item in listed if item != "_self_" for group, option in item.items()
    }


def refuse_ambiguous(values: Mapping[str, Any]) -> None:
    """Refuse values that a preset or a user gives, if they are names that several plug-ins have.

    An argument that is left out means what ships with Longtake, so this can't wait for loading.

    Raises:
        PluginError: how to write each.
    """
    for key in _NAMED.keys() & values.keys():
        _NAMED[key].refuse_ambiguous(str(values[key]))


def own_default(group: str) -> str:
    """Return the default option of a group, by a name that another plug-in cannot take."""
    name = defaults()[group]
    if group not in REGISTRIES:
        return name
    registry, _ = REGISTRIES[group]
    if (CONF / group / f"{name}.yaml").is_file():
        return f"{OWN_DISTRIBUTION}:{name}" if name in registry.entries() else name
    return registry.own_name(name)


def option(group: str, value: str) -> str:
    """Return the Hydra option for a value of `group=`: a name, a file or a plug-in."""
    if group in REGISTRIES and (node := _plugin_options(group, value)):
        return _store(group, value, node)
    if value.endswith((".yaml", ".yml")):
        if not Path(value).is_file():
            raise ConfigError(f"{group}={value}: no such file.")
        content = _read_yaml(Path(value))
        # The declared types decide what is a number: a partition may be called 07, an account 1e5.
        return _store(group, value, _texts(Path(value)) if group == "executor" else content)
    if group == "prompts" and value.endswith((".txt", ".jsonl")):
        return _store(group, value, {"source": value})
    if value not in options(group):
        if group in REGISTRIES:
            REGISTRIES[group][0].refuse_ambiguous(value)
        raise unknown_name(group, value, options(group))
    if group == "prompts" and (node := shipped(group, value)) != _read(group, value):
        return _store(group, value, node)
    return value


def _plugin_options(group: str, value: str) -> Any:
    """Return the options of a plug-in that has no YAML file, or needs another name than it gives.

    Raises:
        PluginError: a plug-in of another distribution has the name of a shipped file.
    """
    registry, key = REGISTRIES[group]
    name = value.removeprefix(f"{OWN_DISTRIBUTION}:")
    is_preset = (CONF / group / f"{name}.yaml").is_file()
    if conflict := preset_conflict(group, value):
        raise PluginError(conflict)
    entry = registry.entries().get(value)
    if not is_preset:
        return {key: value} if ":" in value or entry is not None else None
    node = shipped(group, name)
    if value == name and (node == _read(group, name) or value == _read(group, name)[key]):
        # Nothing is ambiguous, or the name that was asked for is: loading it says so.
        return None
    return node


def preset_conflict(group: str, name: str) -> str:
    """Return a sentence if a plug-in of another distribution has the name of a preset, else ""."""
    entry = REGISTRIES[group][0].entries().get(name)
    is_preset = (CONF / group / f"{name}.yaml").is_file()
    if not is_preset or entry is None or entry.origin == OWN_DISTRIBUTION:
        return ""
    return (
        f"{group} {name!r} is a preset of longtake and registered by {entry.origin} "
        f"({entry.target}); write {OWN_DISTRIBUTION}:{name} or {entry.full_name}."
    )


def shipped(group: str, name: str) -> dict[str, Any]:
    """Return the content of a shipped preset, whose names mean what ships with Longtake."""
    node = _read(group, name)
    return node | {key: _NAMED[key].own_name(node[key]) for key in _NAMED.keys() & node.keys()}


@cache
def _read(group: str, name: str) -> dict[str, Any]:
    return _read_yaml(CONF / group / f"{name}.yaml")


def _store(group: str, value: str, node: Any) -> str:
    name = "given_" + hashlib.sha256(value.encode()).hexdigest()[:12]
    ConfigStore.instance().store(group=group, name=name, node=node)
    return name


class _TextLoader(yaml.SafeLoader):
    """Reads every scalar as the text that is written, but null."""


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _NO_TEXT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _texts(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_TextLoader)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
    except (yaml.YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise ConfigError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values.")
    return {str(key): value for key, value in content.items()}
