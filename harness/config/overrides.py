"""Command-line overrides in Hydra's syntax, and the grid that their comma lists span.

This is the one place that takes `key=value` apart. `split` and `take` leave values as they were
typed; `expand` parses them by Hydra's grammar; `to_overrides` writes Python values in it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    Override,
    Quote,
    QuotedString,
    RangeSweep,
    Transformer,
)
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.core.errors import ConfigError

# These keys are lists: a comma list fills them instead of spanning the grid.
LIST_KEYS = ("duration", "seed", "suite")
GRID_KEYS = ("backbone", "method", "prompts")
# Texts that Hydra's grammar reads as themselves, unless they are one of its words.
_PLAIN = re.compile(r"[A-Za-z_./][\w./:+-]*", re.ASCII)
_INTEGER = "(?:0|-?[1-9][0-9]{0,17})"
_INTEGERS = re.compile(
    rf"(?P<key>[a-z]+)=(?P<open>\[)?(?P<numbers>{_INTEGER}(?:,{_INTEGER})+)(?(open)\])"
)
_ENDLESS = re.compile(r"\d{4300}")  # sys.int_info.default_max_str_digits
_MOST_VALUES = 10**7
_WORDS = ("null", "true", "false", "inf", "nan")


@dataclass(frozen=True)
class Choice:
    """One `key=value`, of a grid one combination's.

    Attributes:
        key: the key, with its dots.
        value: the value as text; parsed by `expand` it is in Hydra's syntax, a group's name plain.
        parsed: the value as Hydra's grammar reads it; None before that.
        written: the value as it was typed, where the grammar reads one value.
    """

    key: str
    value: str
    parsed: Any = field(default=None, compare=False)
    written: str = field(default="", compare=False)

    @property
    def group(self) -> str:
        """The part of the key before the first dot."""
        return self.key.partition(".")[0]

    @property
    def typed(self) -> Any:
        """The value, but a number or truth value as it was typed: a name may be 07, 1e5 or true."""
        return self.written if isinstance(self.parsed, int | float) else self.parsed

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


def split(arguments: Iterable[str]) -> list[Choice]:
    """Split arguments at their first "=", values as they were typed.

    Raises:
        ConfigError: an argument that is not of the form key=value.
    """
    choices = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not key:
            raise ConfigError(f"{argument!r} is not of the form key=value.")
        choices.append(Choice(key.lstrip("+"), value))
    return choices


def take(arguments: Iterable[str], keys: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Take the arguments of some keys out, values as they were typed; return them and the rest.

    Raises:
        ConfigError: one of the keys is given twice.
    """
    taken: dict[str, str] = {}
    rest = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in keys:
            rest.append(argument)
        elif key in taken:
            raise ConfigError(f"{key}= is given twice.")
        else:
            taken[key] = value
    return taken, rest


def override_with(first: Iterable[str], then: Sequence[str]) -> list[str]:
    """Join overrides of which the later win; choosing a group drops what was set inside it before.

    Raises:
        ConfigError: see `split`.
    """
    keys = {choice.key for choice in split(then)}
    kept = [str(c) for c in split(first) if c.key not in keys and c.group not in keys]
    return [*kept, *then]


def to_overrides(values: Mapping[str, Any]) -> list[str]:
    """Write Python values as overrides.

    A mapping names keys inside a group. A list for backbone, method or prompts spans the grid; any
    other list is one value.
    """
    written = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            written += to_overrides({f"{key}.{name}": part for name, part in value.items()})
        elif key in GRID_KEYS and isinstance(value, list | tuple):
            written.append(f"{key}={','.join(map(_written, value))}")
        else:
            written.append(f"{key}={_written(value)}")
    return written


def _written(value: Any) -> str:
    """Return a Python value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{_written(part)}' for key, part in value.items())}}}"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return QuotedString(text, Quote.single).with_quotes()


def expand(arguments: Sequence[str], list_keys: Collection[str] = LIST_KEYS) -> list[list[Choice]]:
    """Return all combinations that the comma lists of `arguments` span, in order.

    Args:
        arguments: overrides.
        list_keys: keys whose value is always a list.

    Raises:
        ConfigError: an argument that is not an override, or a list for a key that takes one value.
    """
    spanned = []
    for argument in arguments:
        if found := _long_list(argument, list_keys):
            spanned.append([found])
        else:
            spanned += [_choices(override, list_keys) for override in _parse([argument])]
    return [list(row) for row in itertools.product(*spanned)]


def compose_plain(
    folder: Path, name: str, options: Mapping[str, str], choices: Iterable[Choice] = ()
) -> dict[str, Any]:
    """Compose a configuration as plain values.

    Args:
        folder: a Hydra config folder.
        name: its primary configuration.
        options: the option of each group that is not the default.
        choices: values to set, of keys that exist or not.

    Raises:
        ConfigError: what Hydra or OmegaConf refuses.
    """
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            config = compose(name, [f"{group}={option}" for group, option in options.items()])
        # Not given to Hydra as text: parsing is quadratic in the length of a list.
        for choice in choices:
            own = choice.group in GRID_KEYS  # whose fields are not declared here
            value = choice.parsed if own else choice.typed
            OmegaConf.update(config, choice.key, value, force_add=True)
        return _plain(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(" ".join(str(error).split())) from error


def merge(values: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """Return plain values with overrides applied.

    Raises:
        ConfigError: an argument that is not an override of one value.
    """
    try:
        config = OmegaConf.create(dict(values))
        for override in _parse(arguments):
            if override.is_sweep_override():
                raise ConfigError(f"{override.input_line}: expected one value, not a list.")
            (choice,) = _choices(override, ())
            OmegaConf.update(config, choice.key, choice.typed, force_add=True)
        return _plain(config)
    except OmegaConfBaseException as error:
        raise ConfigError(" ".join(str(error).split())) from error


def _parse(arguments: Sequence[str]) -> list[Override]:
    try:
        overrides = OverridesParser.create().parse_overrides(list(arguments))
    except OverrideParseException as error:
        reason = str(error).splitlines()[0]
        key, equals, value = str(error.override).partition("=")
        if reason.startswith("LexerNoViableAlt") and equals and "'" not in value:
            raise ConfigError(
                f"{error.override!r}: such a text needs quotes of its own; in a shell: "
                f"{key}=\"'{value}'\""
            ) from error
        raise ConfigError(f"{error.override!r} is not of the form key=value: {reason}") from error
    except ValueError as error:  # a whole number of more digits than Python converts
        wrong = next(a for a in arguments if _ENDLESS.search(a))
        raise ConfigError(f"{wrong.partition('=')[0]}: a number of too many digits.") from error
    for override in overrides:
        if override.is_delete():
            raise ConfigError(
                f"~{override.key_or_group}: a setting can't be deleted; give it a value."
            )
        if override.package is not None:
            raise ConfigError(f"{override.input_line}: a key has no @package here.")
    return overrides


def _long_list(argument: str, list_keys: Collection[str]) -> Choice | None:
    """Return the choice of a list of whole numbers; None for any other argument.

    A program may give ten thousands of seeds, for which Hydra's parser takes minutes.
    """
    found = _INTEGERS.fullmatch(argument)
    if found is None or found["key"] not in list_keys:
        return None
    numbers = [int(number) for number in found["numbers"].split(",")]
    return Choice(found["key"], f"[{found['numbers']}]", numbers)


def _choices(override: Override, list_keys: Collection[str]) -> list[Choice]:
    key = override.key_or_group
    if not override.is_sweep_override():
        value = override.value()
        if key in GRID_KEYS:
            return [Choice(key, str(value), value)]
        text = override.get_value_element_as_str()
        if key in list_keys and not isinstance(value, list):
            return [Choice(key, f"[{text}]", [value])]
        return [Choice(key, text, value, str(override.input_line).partition("=")[2].strip())]
    spanned = override.value()
    if isinstance(spanned, RangeSweep):
        _check_range(override, spanned)
    encode = Transformer.identity if key in GRID_KEYS else Transformer.encode
    try:
        texts = [str(_unquoted(text)) for text in override.sweep_iterator(encode)]
        values = [_unquoted(value) for value in override.sweep_iterator()]
    except HydraException as error:
        raise ConfigError(f"{override.input_line}: {error}.") from error
    if key in list_keys:
        return [Choice(key, f"[{','.join(texts)}]", values)]
    if key.partition(".")[0] not in GRID_KEYS:
        raise ConfigError(f"{key} takes one value, got a list: {', '.join(texts)}.")
    return [Choice(key, text, value) for text, value in zip(texts, values, strict=True)]


def _check_range(override: Override, found: RangeSweep) -> None:
    """Refuse a range that has no end, or so many values that it is a mistake."""
    start, stop, step = (float(part or 0) for part in (found.start, found.stop, found.step))
    if step == 0 or abs(stop - start) / abs(step) > _MOST_VALUES:
        raise ConfigError(
            f"{override.input_line}: expected a range of at most {_MOST_VALUES:,} values."
        )


def _unquoted(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_unquoted(part) for part in value]
    if isinstance(value, dict):
        return {_unquoted(key): _unquoted(part) for key, part in value.items()}
    return value


def _plain(config: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
