"""`python -m harness list`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from backbones import BACKBONES
from eval.scoring.suite import METRICS, SUITES
from harness.config.prompts import GENERATORS, shipped_sets
from harness.config.sweep import CONF, load_sweep, options
from harness.core.errors import unknown_name
from harness.core.modules import read_docstring
from harness.core.registry import Registry
from methods import METHODS
from methods.encoders import ENCODERS

Line = tuple[str, str, str]  # name, summary, origin


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    kinds = {
        "backbones": lambda: _with_configs("backbone", BACKBONES),
        "methods": lambda: _with_configs("method", METHODS),
        "encoders": lambda: _plugins(ENCODERS),
        "metrics": lambda: _plugins(METRICS),
        "suites": _suites,
        "prompts": _prompts,
        "experiments": _experiments,
    }
    for kind in arguments.overrides:
        if kind not in kinds:
            raise unknown_name("kind of thing to list", kind, kinds)
    console = Console()
    for kind in arguments.overrides or kinds:
        table = Table(kind, "what it is", "from", title_justify="left", expand=False)
        for line in kinds[kind]():
            table.add_row(*line)
        console.print(table)
    return 0


def _with_configs(group: str, registry: Registry) -> Iterator[Line]:
    """YAML files first; plug-ins that have none of their own after them."""
    for name in options(group):
        path = CONF / group / f"{name}.yaml"
        if path.is_file():
            yield name, path.read_text().splitlines()[0].lstrip("# "), "longtake"
        else:
            entry = registry.entries()[name]
            yield name, _first_docstring_line(entry.target), entry.origin


def _plugins(registry: Registry) -> Iterator[Line]:
    for name, entry in sorted(registry.entries().items()):
        yield name, _first_docstring_line(entry.target), entry.origin


def _suites() -> Iterator[Line]:
    for name, suite in SUITES.items():
        yield name, f"version {suite.version}: {', '.join(suite.metrics)}", "longtake"


def _prompts() -> Iterator[Line]:
    for name in options("prompts"):
        summary = (CONF / "prompts" / f"{name}.yaml").read_text().splitlines()[0].lstrip("# ")
        prompts = load_sweep([f"prompts={name}"]).rows[0].prompts
        version = f"{len(prompts.prompts)} prompts, sha256 {prompts.sha256[:12]}"
        yield name, f"{summary} {version}", "longtake"
    sources = ", ".join([*shipped_sets(), *GENERATORS.names()])
    yield "FILE.txt, FILE.jsonl", f"your own; values of prompts.source: {sources}", "you"


def _experiments() -> Iterator[Line]:
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        yield path.stem, path.read_text().splitlines()[0].lstrip("# "), "longtake"


def _first_docstring_line(target: str) -> str:
    docstring = read_docstring(target)
    return "not installed" if docstring is None else docstring.partition("\n")[0]
