"""Command-line overrides in Hydra's syntax, and the grid that their comma lists span."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Transformer
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.core.errors import LongtakeError

# These keys are lists: a comma list fills them instead of spanning the grid.
LIST_KEYS = ("duration", "seed", "suite")
GRID_KEYS = ("backbone", "method", "prompts")


@dataclass(frozen=True)
class Choice:
    """One `key=value` of the command line; the value in Hydra's syntax, a name of a group plain."""

    key: str
    value: str

    @property
    def group(self) -> str:
        """The part of the key before the first dot."""
        return self.key.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


def expand(arguments: Sequence[str]) -> list[list[Choice]]:
    """All combinations that the comma lists of `arguments` span, in order.

    Raises:
        LongtakeError: an argument that is no override, or a list for a key that takes one value.
    """
    try:
        overrides = OverridesParser.create().parse_overrides(list(arguments))
    except OverrideParseException as error:
        reason = str(error).splitlines()[0]
        raise LongtakeError(f"{error.override!r} is not of the form key=value: {reason}") from error
    return [list(row) for row in itertools.product(*(_choices(item) for item in overrides))]


def _choices(override: Override) -> Iterable[Choice]:
    key = override.key_or_group
    if override.is_delete():
        raise LongtakeError(f"~{key}: a setting can't be deleted; give it a value.")
    if not override.is_sweep_override():
        if key in GRID_KEYS:
            return [Choice(key, str(override.value()))]
        value = override.get_value_element_as_str()
        if key in LIST_KEYS and not value.startswith("["):
            value = f"[{value}]"
        return [Choice(key, value)]
    plain = Transformer.identity if key in GRID_KEYS else Transformer.encode
    values = [str(value) for value in override.sweep_iterator(plain)]
    if key in LIST_KEYS:
        return [Choice(key, f"[{','.join(values)}]")]
    if key.partition(".")[0] not in GRID_KEYS:
        raise LongtakeError(f"{key} takes one value, got a list: {', '.join(values)}.")
    return [Choice(key, value) for value in values]


def compose_plain(folder: Path, name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration `name` of a Hydra config folder with overrides, as plain values.

    Raises:
        LongtakeError: what Hydra or OmegaConf refuses.
    """
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            config = compose(name, list(overrides))
        plain = OmegaConf.to_container(config, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise LongtakeError(" ".join(str(error).split())) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
