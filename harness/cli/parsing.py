"""Parsing of the command line: options as key=value, and the nearest name for a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from harness.core.errors import UnknownName, nearest, unknown_name

_TYPED = "longtake.typed"


def typed(ctx: typer.Context) -> list[str]:
    """Return the arguments of the running command as they were typed."""
    return list(ctx.meta[_TYPED])


class KeyValueCommand(TyperCommand):
    """A command whose options that take a value may be written key=value.

    `report sweep=runs/main` and `report --sweep runs/main` are the same. What a command doesn't
    declare goes to its `overrides` argument, if it has one.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spell key=value as --key=value where the command has that option.

        Raises:
            UnknownName: a key that is neither an option nor can be an override.
        """
        ctx.meta[_TYPED] = list(args)
        return super().parse_args(ctx, list(self._spelled_out(args)))

    def _spelled_out(self, args: list[str]) -> Iterator[str]:
        keys = {
            option.removeprefix("--").replace("-", "_"): option
            for parameter in self.params
            if isinstance(parameter, TyperOption) and not parameter.is_flag
            for option in parameter.opts
        }
        takes_others = any(parameter.param_type_name == "argument" for parameter in self.params)
        for argument in args:
            key, equals, value = argument.partition("=")
            if equals and key in keys:
                yield f"{keys[key]}={value}"
            elif equals and key.isidentifier() and not takes_others:
                raise unknown_name("key", key, keys)
            else:
                yield argument


class CommandGroup(TyperGroup):
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
