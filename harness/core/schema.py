"""Arguments of plug-ins and settings: checked against the fields of a dataclass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from harness.core.errors import ConfigError, unknown_name
from harness.core.exits import place_of
from harness.core.registry import PluginError

T = TypeVar("T")

# What OmegaConf says, and what it expected.
_EXPECTED = {
    r"could not be converted to Float": "a number",
    r"could not be converted to Integer": "a whole number",
    r"is not a valid bool": "true or false",
    r"to string": "a text",
    r"is not a ListConfig": "a list",
    r"Incompatible value 'None'|NoneType is not": "a value, not null",
    r"expected one of \[(.*)\]": r"one of \1",
}


def with_defaults(instance: Any) -> dict[str, Any]:
    """Return all fields of a dataclass as plain values, with defaults filled in."""
    plain = OmegaConf.to_container(OmegaConf.structured(instance), enum_to_str=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def build(cls: type[T], values: Mapping[str, Any], section: str) -> T:
    """Build an instance of the dataclass `cls` from the values of its fields.

    Args:
        cls: a dataclass whose field types OmegaConf understands.
        values: plain values as they come from YAML or the command line.
        section: the group of the values, "method"; "setting" for those without one.

    Raises:
        ConfigError: a key is not a field (names the nearest one), or a value has another type.
        PluginError: creating the instance ends the process.
    """
    try:
        merged = OmegaConf.merge(OmegaConf.structured(cls), dict(values))
        instance = OmegaConf.to_object(merged)
    except ConfigKeyError as error:
        owner = error.object_type if is_dataclass(error.object_type) else cls
        known = [field.name for field in fields(owner)]  # type: ignore[arg-type]
        path, _, name = str(error.full_key).rpartition(".")
        kind = f"{section} key of {path}" if path else f"{section} key"
        raise unknown_name(kind, name, known) from error
    except OmegaConfBaseException as error:
        raise ConfigError(_refusal(error, section)) from error
    except SystemExit as error:
        raise PluginError(
            f"{section} {cls.__name__!r}: creating it ends the process ({place_of(error)})."
        ) from error
    assert isinstance(instance, cls)
    return instance


def _refusal(error: OmegaConfBaseException, section: str) -> str:
    """Say which value is refused and what was expected."""
    key = re.sub(r"\[\d+\]$", "", str(error.full_key or ""))
    name = ".".join(part for part in ("" if section == "setting" else section, key) if part)
    reason = str(error).splitlines()[0]
    for pattern, expected in _EXPECTED.items():
        if found := re.search(pattern, reason):
            value = getattr(error, "value", None)
            given = "null" if value is None else value
            return f"{name}={given}: expected {found.expand(expected)}."
    return f"{name}: {reason}."


def check_count(key: str, number: object) -> None:
    """Check a number of threads, processes or the like; anything but an integer passes.

    Raises:
        ConfigError: it is below 1.
    """
    if isinstance(number, int) and number < 1:
        raise ConfigError(f"{key}={number}: expected at least 1.")
