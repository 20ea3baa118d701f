"""A lazy plug-in registry: names to "module:attribute" strings.

There is one registry for each kind of plug-in. Nothing is imported before `load`, so listing names
is cheap. Other distributions add plug-ins through the entry-point group of the registry, and a user
may write "module:attribute" in place of any name.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from harness.core.errors import LongtakeError, nearest, unknown_name
from harness.core.modules import find_source, keep_traceback, read_docstring

OWN_DISTRIBUTION = "longtake"


@dataclass(frozen=True)
class Entry:
    """One registered plug-in.

    Attributes:
        name: name it is registered under.
        target: "module:attribute" of its class.
        origin: distribution that provides it.
    """

    name: str
    target: str
    origin: str

    @property
    def full_name(self) -> str:
        """The unambiguous name, which works even if others are registered under `name`."""
        return f"{self.origin}:{self.name}"


class PluginError(LongtakeError):
    """A registered plug-in cannot be imported or used, or several claim one name."""


class Registry:
    """The plug-ins of one kind.

    Args:
        kind: word for its plug-ins in messages, for example "method".
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
        self._builtin = {
            name: Entry(name, target, OWN_DISTRIBUTION) for name, target in builtin.items()
        }

    def entries(self) -> dict[str, Entry]:
        """Return all plug-ins by the name to ask for them.

        That is the registered name or, where several distributions registered the same one,
        "distribution:name" for each.
        """
        claims = self._claims()
        found = {}
        for name, entries in claims.items():
            if len(entries) == 1:
                found[name] = entries[0]
            else:
                found.update({entry.full_name: entry for entry in entries})
        return found

    def names(self) -> list[str]:
        """Return the names of all plug-ins, sorted."""
        return sorted(self.entries())

    def own_name(self, name: str) -> str:
        """Return the name that selects the built-in `name`, whatever else is installed.

        Any other name is returned unchanged.
        """
        entry = self._builtin.get(name)
        return name if entry is None or name in self.entries() else entry.full_name

    def conflicts(self) -> list[str]:
        """Return a sentence for every name that several distributions registered."""
        claims = self._claims().values()
        return [self._conflict(entries) for entries in claims if len(entries) > 1]

    def refuse_ambiguous(self, name: str) -> None:
        """Refuse a name that several distributions registered.

        Raises:
            PluginError: they did; says how to write each.
        """
        if len(claims := self._claims().get(name, [])) > 1:
            raise PluginError(self._conflict(claims))

    def target(self, name: str) -> str:
        """Return the "module:attribute" string of a plug-in.

        Args:
            name: a registered name, "distribution:name", or a "module:attribute" string, which is
                returned as it is.

        Raises:
            UnknownName: unknown name, with the nearest known one.
            PluginError: several distributions registered the name.
        """
        entry = self._entry(name)
        return name if entry is None else entry.target

    def identity(self, name: str) -> dict[str, str]:
        """Return the part of a unit's identity that identifies the plug-in.

        A built-in is identified by its registered name, so its file may move. Another plug-in is
        identified by its attribute and the digest of its module, so an edit changes the identity.

        Raises:
            UnknownName: unknown name.
            PluginError: the module does not exist, or several distributions registered the name.
        """
        target = self.target(name)
        for entry in self._builtin.values():
            if target == entry.target:
                return {"name": entry.name}
        module_name, _, attribute = target.partition(":")
        source = find_source(module_name)
        if source is None:
            raise PluginError(f"{self._called(name)}: there is no module {module_name!r}.")
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        return {"name": attribute, "source_sha256": digest}

    def load(self, name: str) -> Any:
        """Import and return a plug-in.

        Args:
            name: as for `target`.

        Raises:
            UnknownName: unknown name.
            PluginError: several distributions registered the name, or the target cannot be
                imported, does not exist in its module, or lacks a part of the contract.
        """
        module_name, _, attribute = self.target(name).partition(":")
        if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
            raise PluginError(
                f"{self._called(name)}: write module:Class, the module as Python imports it "
                "(newest:Strided for Strided in ./newest.py)."
            )
        module = self._import(name, module_name)
        if not hasattr(module, attribute):
            public = sorted(name for name in vars(module) if not name.startswith("_"))
            close = nearest(attribute, public)
            hint = f" Did you mean {close!r}?" if close else ""
            raise PluginError(
                f"{self._called(name)}: {module_name} has no {attribute!r}.{hint} "
                f"It has: {', '.join(public) or 'nothing'}."
            )
        plugin = getattr(module, attribute)
        lacking = [name for name in self._contract if not hasattr(plugin, name)]
        if lacking:
            raise PluginError(f"{self._called(name)} lacks {', '.join(lacking)}.")
        return plugin

    def summary(self, name: str) -> str:
        """Return the first line of a plug-in's docstring, or the reason why it cannot be read.

        Nothing is imported, so a failing import is not noticed; see `problems`.
        """
        target = self.target(name)
        try:
            docstring = read_docstring(target)
        except (SyntaxError, OSError, UnicodeError) as error:
            return f"cannot be read: {type(error).__name__}: {error}"
        if docstring is None:
            return f"not installed: no module {target.partition(':')[0]!r}"
        return docstring.partition("\n")[0]

    def problems(self) -> dict[str, str]:
        """Import every plug-in of other distributions; return the errors by name."""
        found = {}
        for name, entry in self.entries().items():
            if entry.origin != OWN_DISTRIBUTION:
                try:
                    self.load(name)
                except LongtakeError as error:
                    found[name] = str(error)
        return found

    def _claims(self) -> dict[str, list[Entry]]:
        claims = {name: [entry] for name, entry in self._builtin.items()}
        for entry in _installed(self.group, tuple(sys.path)):
            others = claims.setdefault(entry.name, [])
            # The same installation may be found twice on the search path, which is not a conflict.
            if entry.target not in [other.target for other in others]:
                others.append(entry)
        return claims

    def _entry(self, name: str) -> Entry | None:
        self.refuse_ambiguous(name)
        claims = self._claims()
        if name in claims:
            return claims[name][0]
        if ":" not in name:
            raise unknown_name(self.kind, name, self.entries())
        every = (entry for entries in claims.values() for entry in entries)
        return next((entry for entry in every if entry.full_name == name), None)

    def _conflict(self, entries: Sequence[Entry]) -> str:
        name = entries[0].name
        claims = " and ".join(f"{entry.origin} ({entry.target})" for entry in entries)
        choices = " or ".join(entry.full_name for entry in entries)
        return f"{self.kind} {name!r} is registered by {claims}; write {choices}."

    def _called(self, name: str) -> str:
        """Return a plug-in's name for messages, with the distribution that must fix it."""
        entry = self._entry(name)
        if entry is None or entry.origin == OWN_DISTRIBUTION or entry.full_name == name:
            return f"{self.kind} {name!r}"
        return f"{self.kind} {name!r} of {entry.origin}"

    def _import(self, name: str, module_name: str) -> Any:
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise PluginError(
                f"{self._called(name)} needs the module {error.name!r}, which is not installed."
            ) from error
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise PluginError(
                f"{self._called(name)}: importing {module_name} fails: {reason}."
                f"{keep_traceback(module_name, error)}"
            ) from error


@lru_cache
def _installed(group: str, search_path: tuple[str, ...]) -> tuple[Entry, ...]:
    """List the plug-ins of other distributions; reading all metadata takes milliseconds."""
    found = []
    for point in entry_points(group=group):
        origin = point.dist.name if point.dist else "unknown distribution"
        found.append(Entry(point.name, point.value, re.sub(r"[-_.]+", "-", origin).lower()))
    return tuple(found)
