"""Parsing of the command line: options as key=value, and the nearest name for a wrong one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from harness.core.errors import ConfigError, UnknownName, WorkFailed, nearest, unknown_name
from harness.core.exits import place_of

_TYPED = "longtake.typed"
_SWEEP = "--sweep"


def typed(ctx: typer.Context) -> list[str]:
    """Return the arguments of the running command as they were typed."""
    return list(ctx.meta[_TYPED])


class _PlainHelp:
    """A command whose help leaves out the types of Python: `--watch`, not `--watch <bool>`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options and arguments, `--help` included."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if parameter.param_type_name == "argument" or parameter.is_flag:
                parameter.display_type_rich = lambda ctx: None
        return parameters


class KeyValueCommand(_PlainHelp, TyperCommand):
    """A command whose options that take a value may be written key=value.

    `report sweep=runs/main`, `report --sweep runs/main` and `report main` are the same: a word
    without a key names a sweep. What a command doesn't declare goes to its `overrides` argument, if
    it has one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._needs_sweep = False
        for parameter in self._sweeps():
            # Checked here instead, as help would call an option required that can be left out.
            self._needs_sweep, parameter.required = parameter.required, False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spell key=value as --key=value where the command has that option.

        Raises:
            UnknownName: a key that is neither an option nor can be an override.
            ConfigError: the command needs a sweep, and none is named; or a setting without `key=`.
        """
        ctx.meta[_TYPED] = list(args)
        spelled = list(self._spelled_out(args))
        num_named = sum(argument.split("=")[0] == _SWEEP for argument in spelled)
        left = super().parse_args(ctx, spelled)
        if not ctx.resilient_parsing:
            self._check_sweeps(ctx, num_named)
        return left

    def invoke(self, ctx: Any) -> Any:
        """Run the command; say so if a Ctrl-C ended it, as typer would only set the exit code.

        Raises:
            WorkFailed: a plug-in ended it, perhaps with status 0.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("interrupted; finished work is kept", file=sys.stderr)
            raise
        except SystemExit as error:
            if isinstance(error.__context__, BrokenPipeError):
                raise  # rich's: the reader of the output left, as `| head` does
            raise WorkFailed(
                f"The command was ended with status {error.code} by {place_of(error)}; a plug-in "
                "must raise an error instead."
            ) from error

    def _check_sweeps(self, ctx: Any, num_named: int) -> None:
        for parameter in self._sweeps():
            if self._needs_sweep and not num_named:
                raise ConfigError(
                    f"{ctx.info_name} needs the name or the folder of a sweep: {ctx.command_path} "
                    "NAME. python -m harness list runs shows them all."
                )
            if num_named > 1 and not parameter.multiple:
                raise ConfigError(f"{ctx.info_name} takes one sweep, got {num_named}.")

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line, with the sweep that needs no key."""
        words = super().collect_usage_pieces(ctx)
        for parameter in self._sweeps():
            word = "SWEEP..." if parameter.multiple else "SWEEP"
            words.append(word if self._needs_sweep else f"[{word}]")
        return words

    def _sweeps(self) -> list[Any]:
        """Return the option that a word without a key is a value of, if the command has it."""
        return [parameter for parameter in self.params if _SWEEP in parameter.opts]

    def _options(self) -> dict[str, str]:
        """Return the options that take a value, by key."""
        return {
            option.removeprefix("--").replace("-", "_"): option
            for parameter in self.params
            if isinstance(parameter, TyperOption) and not parameter.is_flag
            for option in parameter.opts
        }

    def _spelled_out(self, args: list[str]) -> Iterator[str]:
        keys = self._options()
        takes_others = any(parameter.param_type_name == "argument" for parameter in self.params)
        is_value = False
        for argument in args:
            key, equals, value = argument.partition("=")
            if is_value:
                yield argument
            elif equals and key in keys:
                yield f"{keys[key]}={value}"
            elif equals and key.isidentifier() and not takes_others:
                raise unknown_name("key", key, keys)
            elif _SWEEP in keys.values() and _names_a_sweep(argument):
                yield f"{_SWEEP}={argument}"
            elif meant := self._setting_meant(argument):
                raise ConfigError(f"{argument!r} is not of the form key=value: write {meant}")
            else:
                yield argument
            is_value = not is_value and argument in keys.values()

    def _setting_meant(self, argument: str) -> str | None:
        """Return the setting that a word without a key or an undeclared option is meant as.

        The settings of a command are the YAML that its help ends with.
        """
        settings = re.findall(r"^(\w+):", self.epilog or "", re.MULTILINE)
        if not argument.startswith("-"):
            return f"name={argument}" if "=" not in argument and "name" in settings else None
        option, _, value = argument.partition("=")
        key = option.lstrip("-").replace("-", "_")
        declared = {option for parameter in self.params for option in parameter.opts}
        known = key in settings and option not in declared
        return f"{key}={value or 'VALUE'}" if known else None


def _names_a_sweep(argument: str) -> bool:
    """Return whether an argument is neither an option nor a setting."""
    return not argument.startswith("-") and ("=" not in argument or Path(argument).is_dir())


class CommandGroup(_PlainHelp, TyperGroup):
    """A group that suggests the nearest command for a wrong one, those of sub-groups included.

    So a command that moved into a sub-group is suggested under its new name.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that `args` begin with.

        Raises:
            UnknownName: there is none.
        """
        name = args[0]
        if name not in self.commands and not name.startswith("-") and not ctx.resilient_parsing:
            inside = "" if ctx.parent is None else f"{ctx.info_name} "
            paths = dict(self._paths())
            close = nearest(name, paths)
            hint = f" Did you mean {inside + paths[close]!r}?" if close else ""
            raise UnknownName(
                f"Unknown command {name!r}.{hint} python -m harness {inside}--help lists them all."
            )
        return super().resolve_command(ctx, args)

    def _paths(self) -> Iterator[tuple[str, str]]:
        """Yield the last word of each command with all words of it."""
        for group_name, group in self.commands.items():
            for name in getattr(group, "commands", {}):
                yield name, f"{group_name} {name}"
        for name in self.commands:
            yield name, name
