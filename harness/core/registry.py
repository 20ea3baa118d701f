"""A lazy plug-in registry: names to "module:attribute" strings.

A leaf module: every room may import it and declares one registry for its kind of plug-in. Nothing
is imported until `load`, so listing names is cheap. Other distributions add entries through the
registry's entry-point group, and a user may write "module:attribute" wherever a name is expected.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from harness.core.errors import LongtakeError, unknown_name


@dataclass(frozen=True)
class Entry:
    """One registered plug-in: its target "module:attribute" and the distribution it comes from."""

    name: str
    target: str
    origin: str


class Registry:
    """The plug-ins of one kind.

    Args:
        kind: what a plug-in of this registry is called in messages, for example "method".
        builtin: names to "module:attribute" targets that ship with Longtake.
        group: entry-point group through which other distributions add plug-ins.
        contract: attributes that every plug-in must have.
    """

    def __init__(
        self, kind: str, builtin: Mapping[str, str], group: str, contract: Sequence[str] = ()
    ) -> None:
        self.kind = kind
        self.group = group
        self._contract = contract
        self._builtin = {name: Entry(name, target, "longtake") for name, target in builtin.items()}

    def entries(self) -> dict[str, Entry]:
        """All plug-ins by name.

        Raises:
            LongtakeError: a distribution registers a name that is already taken.
        """
        found = dict(self._builtin)
        for point in entry_points(group=self.group):
            origin = point.dist.name if point.dist else "unknown distribution"
            if point.name in found and found[point.name].target != point.value:
                raise LongtakeError(
                    f"{self.kind} {point.name!r} of {origin} is already registered by "
                    f"{found[point.name].origin} as {found[point.name].target}."
                )
            found.setdefault(point.name, Entry(point.name, point.value, origin))
        return found

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self.entries())

    def target(self, name: str) -> str:
        """The "module:attribute" string of `name`; a string of that form stands for itself.

        Raises:
            LongtakeError: unknown name, with the nearest known one.
        """
        if ":" in name:
            return name
        entries = self.entries()
        if name not in entries:
            raise unknown_name(self.kind, name, entries)
        return entries[name].target

    def identity(self, name: str) -> dict[str, str]:
        """Return what names a plug-in in the identity of what it made.

        A built-in is its registered name, so moving its file changes nothing; another plug-in is
        its attribute and the digest of its module, so editing it changes what it stands for.

        Raises:
            LongtakeError: unknown name, or a module that isn't there.
        """
        target = self.target(name)
        for entry in self._builtin.values():
            if target == entry.target:
                return {"name": entry.name}
        module_name, _, attribute = target.partition(":")
        try:
            spec = importlib.util.find_spec(module_name)
        except ModuleNotFoundError:
            spec = None
        if spec is None or spec.origin is None:
            raise LongtakeError(f"{self.kind} {name!r}: there is no module {module_name!r}.")
        digest = hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
        return {"name": attribute, "source_sha256": digest}

    def load(self, name: str) -> Any:
        """Import and return the plug-in called `name`.

        Raises:
            LongtakeError: unknown name, a target that cannot be imported, or one that lacks a part
                of the contract.
        """
        module_name, _, attribute = self.target(name).partition(":")
        if not all(part.isidentifier() for part in module_name.split(".")):
            raise LongtakeError(
                f"{self.kind} {name!r}: write module:Class, the module as Python imports it "
                "(newest:Strided for Strided in ./newest.py)."
            )
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise LongtakeError(
                f"{self.kind} {name!r} needs the module {error.name!r}, which is not installed."
            ) from error
        except Exception as error:
            raise LongtakeError(
                f"{self.kind} {name!r}: importing {module_name} fails: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not hasattr(module, attribute):
            kind = f"attribute of {module_name} for {self.kind}"
            public = [name for name in vars(module) if not name.startswith("_")]
            raise unknown_name(kind, attribute, public)
        plugin = getattr(module, attribute)
        lacking = [name for name in self._contract if not hasattr(plugin, name)]
        if lacking:
            raise LongtakeError(f"{self.kind} {name!r} lacks {', '.join(lacking)}.")
        return plugin


def read_docstring(target: str) -> str | None:
    """The docstring of "module:attribute", read without importing the module.

    Returns:
        None when the module is not installed; empty when there is no docstring.
    """
    module_name, _, attribute = target.partition(":")
    try:
        spec = importlib.util.find_spec(module_name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute:
            return ast.get_docstring(node) or ""
    return ""
