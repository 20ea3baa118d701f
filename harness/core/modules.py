"""Modules of plug-ins: their source, read without importing them, and failed imports."""

from __future__ import annotations

import ast
import contextlib
import itertools
import sys
import traceback
from importlib.machinery import ModuleSpec
from pathlib import Path

from harness.core.files import cache_root, write_text


def find_module(name: str) -> ModuleSpec | None:
    """Return the spec of a module, or None; unlike importlib's find_spec imports no parent.

    Listing plug-ins therefore runs none of their code, and finds packages that fail on import.
    """
    spec, folders = None, None
    for full_name in itertools.accumulate(name.split("."), "{}.{}".format):
        if spec is not None and folders is None:
            return None  # the parent is a module, not a package
        specs = (finder.find_spec(full_name, folders) for finder in sys.meta_path)
        spec = next(filter(None, specs), None)
        if spec is None:
            return None
        folders = spec.submodule_search_locations
    return spec


def find_source(name: str) -> Path | None:
    """Return the file of a module written in Python; None if there is none."""
    spec = find_module(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def read_docstring(target: str) -> str | None:
    """Return the docstring of "module:attribute", read without importing the module.

    Returns:
        None when the module is not installed; empty when there is no docstring.

    Raises:
        SyntaxError, OSError, UnicodeError: the source cannot be read.
    """
    module_name, _, attribute = target.partition(":")
    source = find_source(module_name)
    if source is None:
        return None
    for node in ast.parse(source.read_bytes(), filename=str(source)).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute:
            return ast.get_docstring(node) or ""
    return ""


def keep_traceback(module_name: str, error: BaseException) -> str:
    """Write the traceback of a failed import to a file and return a sentence with its path.

    Empty if the cache folder cannot be written to.
    """
    path = cache_root() / "plugin-errors" / f"{module_name}.txt"
    with contextlib.suppress(OSError):
        write_text(path, "".join(traceback.format_exception(error)))
        return f" Traceback: {path}"
    return ""
